"""An alerter, real Kafka and Valkey, and the real Alertmanager, asked with amtool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from processor.local import KafkaCluster
from tests.support.alerting import DROPPED, FULL, Plant, ingest, stage
from tests.support.alertmanager import Alertmanager
from tests.support.events import fill
from tests.waiting import eventually

RUNBOOKS = "https://wiki.example/runbooks"


def the_one(manager: Alertmanager, plant: Plant) -> Any:  # noqa: ANN401  any JSON document
    """The one alert that fires there; it ends by itself while nobody comes to send it again."""
    seen = list[Any]()

    def fires() -> bool:
        seen[:] = manager.alerts()
        return len(seen) == 1

    assert eventually(fires), plant.log()[-3000:]
    return seen[0]


def test_a_drift_fires_there_through_a_restart_and_is_resolved(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    plant, manager = Plant(kafka, redis_url, topic_prefix, tmp_path), Alertmanager(tmp_path)
    fill(plant.store, ingest(0, *FULL), stage())
    with plant.alerter(alertmanager_url=manager.url, resend_s=1.0, runbooks_url=RUNBOOKS):
        with manager.running():
            plant.index(ingest(60, *DROPPED))
            told = the_one(manager, plant)
        assert eventually(lambda: "sink.away" in plant.log()), plant.log()[-3000:]
        with manager.running():
            again = the_one(manager, plant)
            plant.index(ingest(70, *FULL))
            assert eventually(lambda: manager.alerts() == []), plant.log()[-3000:]
    (alert,) = [alert for alert in plant.published() if alert.version == 1]
    assert (
        told["labels"]
        == again["labels"]
        == {
            "alertname": "schema_drift",
            "severity": "critical",
            "alert_id": alert.finding.alert_id,
            "namespace": alert.finding.subject.namespace,
            "subject": str(alert.finding.subject),
        }
    )
    assert told["annotations"]["runbook_url"] == f"{RUNBOOKS}/schema_drift.md"
    assert told["annotations"]["summary"] == alert.finding.summary
    assert told["startsAt"] == again["startsAt"]
