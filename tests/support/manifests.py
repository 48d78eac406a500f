"""deploy/k8s as a cluster would get it, and what a test asks of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

Json = dict[str, Any]

K8S: Final = Path(__file__).parents[2] / "deploy" / "k8s"
PLACES: Final = ("base", "overlays/local", "overlays/production", "overlays/static-membership")
IMAGE: Final = "lineage-processor"
_TEMPLATES: Final = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_SECRETS: Final = {
    "LINEAGE_REDIS_URL": "redis://user:secret@redis:6379/0",
    "LINEAGE_KAFKA__SASL_USERNAME": "lineage",
    "LINEAGE_KAFKA__SASL_PASSWORD": "secret",
    "LINEAGE_API__READ_TOKENS": "a-token-to-read-with",
    "LINEAGE_API__WRITE_TOKENS": "a-token-to-write-with",
}


@cache
def built(place: str) -> tuple[Json, ...]:
    """What `kubectl apply -k` would send, in its order."""
    tool = ("kubectl", "kustomize") if shutil.which("kubectl") else ("kustomize", "build")
    text = subprocess.run([*tool, str(K8S / place)], capture_output=True, check=True).stdout
    return tuple(yaml.safe_load_all(text))


def of_kind(place: str, *kinds: str) -> list[Json]:
    """Those of these kinds."""
    return [each for each in built(place) if each["kind"] in kinds]


class Workload(NamedTuple):
    """Something that runs pods."""

    place: str
    kind: str
    name: str
    labels: Mapping[str, str]
    pod: Json

    @property
    def container(self) -> Json:
        """Its only container."""
        [container] = self.pod["containers"]
        return dict(container)

    @property
    def is_ours(self) -> bool:
        """Whether the processor runs in it."""
        return IMAGE in self.container["image"]

    @property
    def role(self) -> str:
        """What `lineage run --role` is told; empty for what is no role."""
        args = self.container.get("args", ())
        return str(args[2]) if args[:2] == ["run", "--role"] else ""

    def port(self, name: str) -> int:
        """The number of a named port."""
        [number] = [each["containerPort"] for each in self.container["ports"] if each["name"] == name]
        return int(number)

    def environment(self) -> dict[str, str]:
        """Its variables, with something in the place of what comes from a Secret or from the cluster."""
        maps = {each["metadata"]["name"]: each["data"] for each in of_kind(self.place, "ConfigMap")}
        given: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            given |= maps[source["configMapRef"]["name"]]
        for each in self.container.get("env", ()):
            given[each["name"]] = each["value"] if "value" in each else _SECRETS.get(each["name"], "lineage-indexer-0")
        return given

    def secrets(self) -> set[str]:
        """The Secrets that it needs."""
        from_env = {
            each["valueFrom"]["secretKeyRef"]["name"]
            for each in self.container.get("env", ())
            if "secretKeyRef" in each.get("valueFrom", {})
        }
        projected = [
            source for volume in self.pod["volumes"] for source in volume.get("projected", {}).get("sources", ())
        ]
        return from_env | {source["secret"]["name"] for source in projected}


def workloads(place: str) -> list[Workload]:
    """All that run pods."""
    return list(_workloads(place))


def _workloads(place: str) -> Iterator[Workload]:
    for each in of_kind(place, *_TEMPLATES):
        template: Any = each
        for part in _TEMPLATES[each["kind"]]:
            template = template[part]
        labels = template["metadata"]["labels"]
        yield Workload(place, each["kind"], each["metadata"]["name"], labels, template["spec"])


def selectors(resource: Json) -> Iterator[Mapping[str, str]]:
    """The labels by which a resource, or anything in it, chooses pods of its own namespace."""
    kind, spec = resource["kind"], resource.get("spec", {})
    if kind == "Service":
        yield spec["selector"]
    elif kind == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
    elif kind in ("PodDisruptionBudget", "PodMonitor", "Deployment", "StatefulSet"):
        yield spec["selector"]["matchLabels"]


def breaches(pod: Json) -> list[str]:
    """What keeps a pod out of a namespace that enforces the restricted profile of Pod Security."""
    found = [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("runAsUser") == 0:
        found.append("may run as root")
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("no seccomp profile")
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {each['name']}" for each in pod.get("volumes", ()) if not allowed & each.keys()]
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        found += [f"{container['name']}: {what}" for what in _breaches_of(container)]
    return found


def _breaches_of(container: Json) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("privileged") or context.get("runAsNonRoot") is False or context.get("runAsUser") == 0:
        yield "is privileged"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
        yield "keeps capabilities"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield "takes a port of the host"
