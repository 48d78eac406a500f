"""An alerter, real Kafka and Valkey, and the real Alertmanager, asked with amtool."""

from __future__ import annotations

from pathlib import Path

from processor.local import KafkaCluster
from tests.support.alerting import DROPPED, FULL, Plant, ingest, stage
from tests.support.alertmanager import Alertmanager
from tests.support.events import fill
from tests.waiting import eventually

RUNBOOKS = "https://wiki.example/runbooks"


def test_a_drift_fires_there_through_a_restart_and_is_resolved(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    plant, manager = Plant(kafka, redis_url, topic_prefix, tmp_path), Alertmanager(tmp_path)
    fill(plant.store, ingest(0, *FULL), stage())
    with plant.alerter(alertmanager_url=manager.url, resend_s=1.0, runbooks_url=RUNBOOKS):
        with manager.running():
            plant.index(ingest(60, *DROPPED))
            assert eventually(lambda: len(manager.alerts()) == 1), plant.log()[-3000:]
            (told,) = manager.alerts()
        assert eventually(lambda: "sink.away" in plant.log()), plant.log()[-3000:]
        with manager.running():
            assert eventually(lambda: manager.alerts() != []), plant.log()[-3000:]
            (again,) = manager.alerts()
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
