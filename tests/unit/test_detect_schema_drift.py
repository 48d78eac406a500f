from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.detect.schema_drift import detect, detect_dataset
from processor.model.alert import Affected, Finding, Impact, Severity
from processor.model.history import Lane, Observer, SchemaVersion
from processor.model.identity import dataset, job
from processor.model.observation import Role
from processor.model.tables import Column, ColumnChangeKind, Columns, encode_columns, fingerprint
from tests.support.asking import knowing

ORDERS = dataset("postgres://shop:5432", "public.orders")
INGEST = Observer(Role.WRITER, "shop", "ingest_orders")
HOUR_US = 3_600_000_000
T0_US = 1_770_000_000_000_000
NOW_US = T0_US + 100 * HOUR_US

STAGING = dataset("postgres://shop:5432", "staging.orders")
READ = Impact(columns=(Affected(STAGING.column("amount"), 1),), datasets=(Affected(STAGING, 1),), total=2)
POSSIBLE = Impact(datasets=(Affected(STAGING, 1, possible=True),), total=1)
UNREAD = Impact()


def columns(*texts: str) -> Columns:
    parts = (text.partition(":") for text in texts)
    return tuple(Column(name, kind or None) for name, _, kind in parts)


def lane(*states: Columns, observer: Observer = INGEST) -> Lane:
    """A lane that went through these schemas, an hour apart; an empty one clears it."""
    versions: dict[bytes, SchemaVersion] = {}
    mark = b""
    for number, state in enumerate(states):
        time_us = T0_US + number * HOUR_US
        mark = fingerprint(encode_columns(state)) if state else b""
        if mark and mark not in versions:
            versions[mark] = SchemaVersion(mark, state, time_us, (time_us // HOUR_US,), f"run-{number}")
    return Lane(ORDERS, observer, tuple(versions.values()), mark or None, T0_US + len(states) * HOUR_US)


def found(*states: Columns, impact: Impact = READ, now_us: int = NOW_US) -> list[Finding]:
    return detect(lane(*states), Policy(), now_us, knowing(impact))


FULL = columns("id:int", "amount:decimal", "note:text")


def test_a_dropped_column_that_is_read_downstream_is_critical() -> None:
    (finding,) = found(FULL, columns("id:int", "note:text"))
    assert finding.severity is Severity.CRITICAL
    assert [(c.path, c.change) for c in finding.changes] == [("amount", ColumnChangeKind.REMOVED)]
    assert finding.summary == (
        "Column amount was dropped from public.orders by job shop.ingest_orders;"
        " 1 downstream column in 1 dataset depends on it (staging.orders.amount)."
    )
    assert finding.cause.job == job("shop", "ingest_orders")
    assert finding.cause.run_id == "run-1"
    assert finding.since_us == T0_US + HOUR_US
    assert finding.impact == READ


def test_only_broken_columns_are_asked_for_their_impact() -> None:
    asked: list[frozenset[str]] = []

    def impact_of(paths: frozenset[str]) -> Impact:
        asked.append(paths)
        return READ

    way = FULL, columns("id:int", "note:int", "fresh:text")
    detect(lane(*way), Policy(), NOW_US, knowing(READ)._replace(impact_of=impact_of))
    assert asked == [frozenset({"amount", "note"})]


def test_a_dropped_column_that_nobody_reads_is_a_warning() -> None:
    (finding,) = found(FULL, columns("id:int", "note:text"), impact=UNREAD)
    assert finding.severity is Severity.WARNING
    assert finding.summary.endswith("; nobody is known to depend on it.")


def test_what_is_only_possibly_downstream_does_not_make_it_critical() -> None:
    (finding,) = found(FULL, columns("id:int", "note:text"), impact=POSSIBLE)
    assert finding.severity is Severity.WARNING
    assert "1 downstream dataset possibly affected (staging.orders)" in finding.summary


def test_a_job_that_reads_it_and_writes_nothing_known_is_named() -> None:
    """A dashboard or an export has no outputs, and breaks all the same."""
    dashboard = Affected(job("bi", "revenue"), 1, direct=True, possible=True)
    in_place = Affected(job("shop", "ingest_orders"), 1, direct=True, possible=True)
    impact = Impact(jobs=(dashboard, in_place), exposures=(dashboard,))
    (finding,) = found(FULL, columns("id:int", "note:text"), impact=impact)
    assert finding.summary.endswith("; 1 downstream job possibly affected (bi.revenue).")


def test_a_retyped_column_names_both_types() -> None:
    (finding,) = found(FULL, columns("id:int", "amount:text", "note:text"))
    assert finding.severity is Severity.CRITICAL
    assert "column amount (decimal → text) was retyped in public.orders" in finding.summary.lower()


def test_a_spelling_of_a_type_is_no_change() -> None:
    assert not found(columns("id:INT", "price:decimal(10, 2)"), columns("id:int", "price:DECIMAL(10,2)"))


def test_an_added_column_is_told_for_a_day_and_asks_for_no_impact() -> None:
    states = (FULL, (*FULL, Column("fresh", "text")))
    (finding,) = found(*states, now_us=T0_US + 24 * HOUR_US)
    assert finding.severity is Severity.INFO
    assert finding.impact == Impact()
    assert finding.summary == "Column fresh was added to public.orders by job shop.ingest_orders."
    assert not found(*states, now_us=T0_US + 26 * HOUR_US)


def test_reordering_is_silent() -> None:
    assert not found(FULL, tuple(reversed(FULL)))


def test_taking_it_back_resolves_it_in_whatever_order() -> None:
    dropped = columns("id:int", "note:text")
    assert found(FULL, dropped)
    assert not found(FULL, dropped, FULL)
    assert not found(FULL, dropped, tuple(reversed(FULL)))


def test_dropping_a_column_that_was_added_later_is_told_once_somebody_reads_it() -> None:
    wider = (*FULL, Column("fresh", "text"))
    assert not found(FULL, wider, FULL, impact=UNREAD)
    assert not found(FULL, wider, FULL, impact=POSSIBLE)
    (finding,) = found(FULL, wider, FULL)
    assert finding.severity is Severity.CRITICAL
    assert "Column fresh was dropped from public.orders" in finding.summary


def test_doing_it_again_is_the_same_alert() -> None:
    dropped = columns("id:int", "note:text")
    (first,) = found(FULL, dropped)
    (again,) = found(FULL, dropped, FULL, dropped)
    assert again.alert_id == first.alert_id


def test_two_drops_in_a_row_are_two_findings_with_ids_of_their_own() -> None:
    one, two = found(FULL, columns("id:int", "note:text"), columns("id:int"))
    assert [[c.path for c in f.changes] for f in (one, two)] == [["amount"], ["note"]]
    assert one.alert_id != two.alert_id


def test_a_column_that_changed_its_type_twice_is_told_once() -> None:
    (finding,) = found(columns("a:int"), columns("a:text"), columns("a:bigint"))
    assert (finding.changes[0].from_type, finding.changes[0].to_type) == ("text", "bigint")


def test_a_cleared_schema_is_silent() -> None:
    assert not found(FULL, columns("id:int"), ())


def test_a_lane_with_one_version_is_silent() -> None:
    assert not found(FULL)


def test_a_similar_name_of_the_same_type_is_a_suspected_rename() -> None:
    (finding,) = found(columns("id:int", "amount:decimal"), columns("id:int", "amount_usd:decimal"))
    assert "Column amount was renamed to amount_usd (suspected) in public.orders" in finding.summary
    assert finding.severity is Severity.CRITICAL


def test_another_type_or_an_unlike_name_is_no_rename() -> None:
    (other_type,) = found(columns("id:int", "amount:decimal"), columns("id:int", "amount_usd:text"))
    (unlike,) = found(columns("id:int", "amount:decimal"), columns("id:int", "zip:decimal"))
    assert "renamed" not in other_type.summary + unlike.summary


def test_a_column_takes_part_in_one_rename_only() -> None:
    (finding,) = found(columns("amount:int"), columns("amount_eur:int", "amount_usd:int"))
    assert finding.summary.count("renamed") == 1
    assert "and column amount_usd was added" in finding.summary


def test_control_characters_in_names_do_not_reach_the_summary() -> None:
    (finding,) = found(columns("id:int", "evil\n\x1b[2J:int"), columns("id:int"))
    assert finding.summary.isprintable()


def test_a_producer_without_a_job_is_named_as_the_cause() -> None:
    who = Observer(Role.PRODUCER, "", "https://example.com/catalog")
    (finding,) = detect(lane(FULL, columns("id:int"), observer=who), Policy(), NOW_US, knowing(READ))
    assert finding.cause.producer == "https://example.com/catalog"
    assert finding.cause.job is None


def reader(name: str) -> Observer:
    return Observer(Role.READER, "shop", name)


def of_dataset(*lanes: Lane, policy: str = "") -> list[Finding]:
    return detect_dataset(lanes, parse_policy(policy), NOW_US, knowing(READ))


def test_beside_a_writer_readers_stay_silent() -> None:
    narrower = lane(FULL, columns("id:int"), observer=reader("report"))
    assert not of_dataset(lane(FULL), narrower)


def test_where_nobody_writes_one_narrower_reader_stays_silent() -> None:
    assert not of_dataset(lane(FULL, columns("id:int"), observer=reader("report")))


def test_where_nobody_writes_readers_that_agree_warn() -> None:
    gone = (FULL, columns("id:int", "note:text"))
    findings = of_dataset(lane(*gone, observer=reader("a")), lane(*gone, observer=reader("b")))
    assert {f.severity for f in findings} == {Severity.WARNING}
    assert "as job shop.a reads it" in findings[0].summary


def test_a_reader_that_still_reads_the_column_contradicts_the_others() -> None:
    gone = (FULL, columns("id:int", "note:text"))
    still = lane(FULL, FULL, FULL, observer=reader("c"))
    assert not of_dataset(lane(*gone, observer=reader("a")), lane(*gone, observer=reader("b")), still)


def test_a_reader_that_has_been_silent_since_does_not_contradict() -> None:
    gone = (FULL, FULL, columns("id:int", "note:text"))
    long_ago = lane(FULL, observer=reader("c"))
    assert of_dataset(lane(*gone, observer=reader("a")), lane(*gone, observer=reader("b")), long_ago)


def test_one_reader_is_enough_for_a_type() -> None:
    (finding,) = of_dataset(lane(columns("id:int"), columns("id:text"), observer=reader("a")))
    assert finding.severity is Severity.WARNING


def test_how_many_readers_must_agree_is_policy() -> None:
    narrower = lane(FULL, columns("id:int"), observer=reader("report"))
    assert of_dataset(narrower, policy="schema_drift: {min_readers: 1}")
