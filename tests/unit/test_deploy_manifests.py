"""deploy/k8s is valid, safe, and says what the code says: no argument, port, path, setting or name in it can drift."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import typer.main

from processor import settings as settings_of
from processor.alerter.kafka_settings import kafka_settings
from processor.cli.app import app
from processor.detect.policy_text import parse_policy
from processor.roles import Role
from processor.settings import Settings
from processor.telemetry.health import Health
from processor.telemetry.http import HealthServer
from tests.support.answers import status_of
from tests.support.manifests import K8S, PLACES, Json, Workload, breaches, built, of_kind, selectors, workloads

ROOT = K8S.parents[1]
KUBERNETES = "1.34"
CUSTOM_KINDS = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}
GRACE_S = 5
"""What is left of the grace period when a role has used all the time that it gives itself to end."""

ALL = [each for place in PLACES for each in workloads(place)]
OURS = [each for each in ALL if each.is_ours]
ROLES = [each for each in OURS if each.role]
PRODUCTION = "overlays/production"


def ids(of: list[Workload]) -> list[str]:
    return [f"{each.place}:{each.name}" for each in of]


def loaded(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in workload.environment().items():
        monkeypatch.setenv(name, value)
    return settings_of.load()


@pytest.mark.parametrize("place", PLACES)
def test_every_resource_is_valid(place: str) -> None:
    without_schema = set()
    for each in built(place):
        try:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            without_schema.add(each["kind"])
    assert without_schema <= CUSTOM_KINDS


@pytest.mark.parametrize("place", PLACES)
def test_there_is_a_pod_for_each_role_and_nothing_is_there_twice(place: str) -> None:
    assert sorted(each.role for each in workloads(place) if each.role) == sorted(Role)
    names = [(each["kind"], each["metadata"]["name"]) for each in built(place)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("workload", OURS, ids=ids(OURS))
def test_arguments_are_those_of_a_command(workload: Workload) -> None:
    command: Any = typer.main.get_command(app)
    arguments = list(workload.container["args"])
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    with command.make_context("lineage", arguments):  # parses, and runs nothing
        pass
    assert "command" not in workload.container


@pytest.mark.parametrize("workload", OURS, ids=ids(OURS))
def test_every_variable_is_a_setting_and_all_go_together(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(workload, monkeypatch)
    assert all(name.startswith("LINEAGE_") for name in workload.environment())
    if workload.name == "lineage-topics" or workload.role:
        settings.require_kafka()
    if workload.name != "lineage-topics":
        settings.require_redis()


@pytest.mark.parametrize("workload", ROLES, ids=ids(ROLES))
def test_ports_are_those_that_the_code_listens_on(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(workload, monkeypatch)
    assert workload.port("metrics") == getattr(settings.http, f"{workload.role}_port")
    assert (settings.http.host, settings.api.host) == ("0.0.0.0", "0.0.0.0")  # noqa: S104  in a pod of its own
    if workload.role == Role.API:
        assert workload.port("http") == settings.api.port


def test_the_code_answers_every_path_that_is_probed_or_scraped() -> None:
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    asked = {each.container[probe]["httpGet"]["path"] for each in ROLES for probe in probes}
    asked |= {end["path"] for each in of_kind(PRODUCTION, "PodMonitor") for end in each["spec"]["podMetricsEndpoints"]}
    assert asked == {"/livez", "/readyz", "/metrics"}
    with HealthServer("127.0.0.1", 0, Health(("assigned",), livez_timeout_s=60)) as server:
        answers = {path: status_of(f"http://127.0.0.1:{server.port}{path}") for path in asked}
    assert answers == {"/livez": 200, "/readyz": 503, "/metrics": 200}


@pytest.mark.parametrize("workload", ROLES, ids=ids(ROLES))
def test_probes_ask_the_port_of_the_metrics_and_only_readiness_depends_on_others(workload: Workload) -> None:
    container = workload.container
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "metrics"
    }
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("workload", ROLES, ids=ids(ROLES))
def test_the_grace_period_is_longer_than_all_that_happens_in_it(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = loaded(workload, monkeypatch)
    before_s = workload.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert workload.pod["terminationGracePeriodSeconds"] >= before_s + settings.shutdown_timeout_s + GRACE_S


@pytest.mark.parametrize("workload", ALL, ids=ids(ALL))
def test_pods_are_allowed_where_the_restricted_profile_is_enforced(workload: Workload) -> None:
    assert breaches(workload.pod) == []
    assert workload.pod["automountServiceAccountToken"] is False
    assert workload.pod["enableServiceLinks"] is False
    assert workload.container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in workload.container["resources"]["limits"]


@pytest.mark.parametrize("workload", OURS, ids=ids(OURS))
def test_our_pods_write_nowhere_but_in_their_volumes(workload: Workload) -> None:
    assert workload.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "/tmp" in {each["mountPath"] for each in workload.container["volumeMounts"]}  # noqa: S108  theirs alone
    volumes = {each["name"] for each in workload.pod["volumes"]}
    assert {each["name"] for each in workload.container["volumeMounts"]} == volumes
    assert workload.container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pod: pod.update(hostNetwork=True),
        lambda pod: pod["securityContext"].pop("runAsNonRoot"),
        lambda pod: pod["securityContext"].pop("seccompProfile"),
        lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
        lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
        lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
        lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
        lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
    ],
)
def test_what_the_restricted_profile_forbids_is_noticed(spoil: Callable[[Json], object]) -> None:
    pod = copy.deepcopy(ROLES[0].pod)
    spoil(pod)
    assert len(breaches(pod)) == 1


@pytest.mark.parametrize("place", PLACES)
def test_whatever_chooses_pods_finds_some(place: str) -> None:
    pods = [each.labels for each in workloads(place)]
    for resource in built(place):
        for labels in selectors(resource):
            assert any(labels.items() <= pod.items() for pod in pods), (resource["kind"], labels)
    for each in workloads(place):
        for spread in each.pod.get("topologySpreadConstraints", ()):
            assert spread["labelSelector"]["matchLabels"].items() <= each.labels.items()


@pytest.mark.parametrize("place", PLACES)
def test_every_role_may_lose_one_pod_at_a_time(place: str) -> None:
    budgets = [each["spec"] for each in of_kind(place, "PodDisruptionBudget")]
    assert {each["maxUnavailable"] for each in budgets} == {1}
    chosen = {each["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in budgets}
    assert chosen == {each.value for each in Role}


@pytest.mark.parametrize("place", PLACES)
def test_every_secret_is_made_there_or_told_of(place: str) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    made = {each["metadata"]["name"] for each in of_kind(place, "Secret")}
    needed = set().union(*(each.secrets() for each in workloads(place) if each.is_ours))
    needed |= {
        ref["name"] for each in of_kind(place, "TriggerAuthentication") for ref in each["spec"]["secretTargetRef"]
    }
    assert {name for name in needed - made if f"create secret generic {name} " not in text} == set()


@pytest.mark.parametrize("workload", ROLES, ids=ids(ROLES))
def test_the_network_policy_lets_out_to_what_the_settings_name(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    [policy] = [each for each in of_kind(workload.place, "NetworkPolicy") if each["metadata"]["name"] == "lineage"]
    open_ports = [port for rule in policy["spec"]["egress"] for port in rule.get("ports", ())]
    settings = loaded(workload, monkeypatch)
    urls = (f"kafka://{settings.kafka['bootstrap.servers']}", *settings.sinks.alertmanager_urls)
    for port in (int(url.rpartition(":")[2]) for url in (*urls, "redis:6379", "sentinel:26379", "https:443")):
        assert any(each["port"] <= port <= each.get("endPort", each["port"]) for each in open_ports), port


@pytest.mark.parametrize("place", PLACES)
def test_the_network_policy_lets_in_by_names_of_ports_that_there_are(place: str) -> None:
    named = {port["name"] for each in workloads(place) for port in each.container.get("ports", ())}
    rules = [rule for each in of_kind(place, "NetworkPolicy") for rule in each["spec"]["ingress"]]
    assert {port["port"] for rule in rules for port in rule["ports"]} <= named


def test_scaling_ends_at_the_partitions_and_looks_at_the_indexers_group(monkeypatch: pytest.MonkeyPatch) -> None:
    [scaled] = [each["spec"] for each in of_kind(PRODUCTION, "ScaledObject")]
    [indexer] = [each for each in workloads(PRODUCTION) if each.role == Role.INDEXER]
    settings = loaded(indexer, monkeypatch)
    [trigger] = scaled["triggers"]
    assert scaled["scaleTargetRef"] == {"name": indexer.name, "envSourceContainerName": indexer.container["name"]}
    assert scaled["maxReplicaCount"] == settings.topics.partitions
    assert scaled["minReplicaCount"] >= 3
    assert trigger["metadata"]["bootstrapServersFromEnv"] in indexer.environment()
    assert trigger["metadata"]["consumerGroup"] == settings.groups.indexer
    assert [trigger["metadata"]["topic"]] == [each.topic for each in settings.input_topics]
    assert trigger["metadata"]["offsetResetPolicy"] == "earliest"
    assert _plain(trigger["metadata"]["sasl"]) == _plain(settings.kafka["sasl.mechanism"])
    [deployment] = [each for each in of_kind(PRODUCTION, "Deployment") if each["metadata"]["name"] == indexer.name]
    assert "replicas" not in deployment["spec"], "each apply would undo what KEDA has decided"


def _plain(mechanism: str) -> str:
    return mechanism.lower().replace("-", "").replace("_", "").removesuffix("sha512")


def test_what_keda_reads_from_the_container_is_there() -> None:
    [auth] = of_kind(PRODUCTION, "TriggerAuthentication")
    [indexer] = [each for each in workloads(PRODUCTION) if each.role == Role.INDEXER]
    for each in auth["spec"]["env"]:
        assert each["containerName"] == indexer.container["name"]
        assert each["name"] in indexer.environment()


def test_static_members_have_names_of_their_own_and_time_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    [indexer] = [each for each in workloads("overlays/static-membership") if each.role == Role.INDEXER]
    [named] = [each for each in indexer.container["env"] if each["name"] == "LINEAGE_GROUP_INSTANCE_ID"]
    settings = loaded(indexer, monkeypatch)
    [stateful] = of_kind("overlays/static-membership", "StatefulSet")
    services = {each["metadata"]["name"] for each in of_kind("overlays/static-membership", "Service")}
    assert indexer.kind == "StatefulSet"
    assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert int(settings.kafka["session.timeout.ms"]) >= 2000 * indexer.pod["terminationGracePeriodSeconds"]
    assert stateful["spec"]["serviceName"] in services


def test_the_alerter_can_keep_the_kafka_settings_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    [alerter] = [each for each in workloads(PRODUCTION) if each.role == Role.ALERTER]
    found = kafka_settings(loaded(alerter, monkeypatch).require_kafka())
    assert (found.protocol, found.mechanism, found.ignored) == ("SASL_SSL", "SCRAM-SHA-512", ())


@pytest.mark.parametrize("workload", ROLES, ids=ids(ROLES))
def test_files_that_settings_name_are_mounted(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(workload, monkeypatch)
    named = [settings.kafka.get("ssl.ca.location"), settings.policy]
    mounted = tuple(f"{mount['mountPath']}/" for mount in workload.container["volumeMounts"])
    assert all(str(file).startswith(mounted) for file in named if file)
    assert (settings.policy is not None) == (workload.role == Role.ALERTER)


def test_the_image_is_this_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {each.container["image"].rpartition(":")[2] for each in OURS} == {version}


def test_the_policy_is_one() -> None:
    found = [
        each["data"]["policy.yaml"] for place in PLACES for each in of_kind(place, "ConfigMap") if _is_policy(each)
    ]
    assert [parse_policy(text) is not None for text in found] == [True] * len(PLACES)


def _is_policy(resource: Mapping[str, Any]) -> bool:
    return bool(resource["metadata"]["name"] == "lineage-policy")  # by its own name, or no change would reach the pod
