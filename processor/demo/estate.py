"""What the sample company has: its tables, and the jobs that make one from the other.

A shop's database is copied hourly into a warehouse, where staging models clean it, marts put it together, a feature
table feeds on the marts and a churn model on the features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SHOP: Final = "postgres://db.acme.example:5432"
WAREHOUSE: Final = "bigquery"
FEATURES: Final = "feast://acme"
MODELS: Final = "s3://acme-models"
ADS: Final = "https://ads.example"
AIRFLOW: Final = "acme-airflow"
DBT: Final = "acme-dbt"
ML: Final = "acme-ml"
BI: Final = "acme-bi"


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset, its columns with their types in order, and who answers for it."""

    namespace: str
    name: str
    columns: dict[str, str]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A job that runs every `every_h` hours, `minute` minutes past, for about `minutes` minutes.

    `derives`: each output column with its input columns, as `table.column` words. `filters`: inputs that every output
    column depends on without taking its value. `parent`: the job that starts it, in the same namespace.
    """

    namespace: str
    name: str
    inputs: tuple[str, ...]
    output: str | None
    every_h: int
    minute: int
    minutes: int
    derives: dict[str, str] = field(default_factory=dict)
    filters: str = ""
    parent: str = ""
    kind: str = "TASK"


def _same(table: str, columns: dict[str, str]) -> dict[str, str]:
    return {name: f"{table}.{name}" for name in columns}


_CUSTOMERS: Final = {"customer_id": "bigint", "email": "varchar", "country": "varchar", "signed_up_at": "timestamp"}
_ORDERS: Final = {
    "order_id": "bigint",
    "customer_id": "bigint",
    "status": "varchar",
    "amount": "numeric",
    "discount": "numeric",
    "ordered_at": "timestamp",
}
_PAYMENTS: Final = {"payment_id": "bigint", "order_id": "bigint", "method": "varchar", "paid": "numeric"}
_CAMPAIGNS: Final = {"campaign_id": "bigint", "country": "varchar", "spend": "numeric", "day": "date"}
_LOADED: Final = {"_loaded_at": "timestamp"}

TABLES: Final[dict[str, Table]] = {
    "shop_customers": Table(SHOP, "shop.public.customers", _CUSTOMERS),
    "shop_orders": Table(SHOP, "shop.public.orders", _ORDERS),
    "shop_payments": Table(SHOP, "shop.public.payments", _PAYMENTS),
    "ads_report": Table(ADS, "reports/campaigns", _CAMPAIGNS),
    "raw_customers": Table(WAREHOUSE, "acme.raw.customers", {**_CUSTOMERS, **_LOADED}, "team:platform"),
    "raw_orders": Table(WAREHOUSE, "acme.raw.orders", {**_ORDERS, **_LOADED}, "team:platform"),
    "raw_payments": Table(WAREHOUSE, "acme.raw.payments", {**_PAYMENTS, **_LOADED}, "team:platform"),
    "raw_campaigns": Table(WAREHOUSE, "acme.raw.campaigns", {**_CAMPAIGNS, **_LOADED}, "team:marketing"),
    "raw_fx_rates": Table(WAREHOUSE, "acme.raw.fx_rates", {"currency": "varchar", "rate": "numeric"}),
    "stg_customers": Table(WAREHOUSE, "acme.staging.stg_customers", _CUSTOMERS, "team:analytics"),
    "stg_orders": Table(WAREHOUSE, "acme.staging.stg_orders", _ORDERS, "team:analytics"),
    "stg_payments": Table(WAREHOUSE, "acme.staging.stg_payments", _PAYMENTS, "team:analytics"),
    "fct_orders": Table(
        WAREHOUSE,
        "acme.marts.fct_orders",
        {
            "order_id": "bigint",
            "customer_id": "bigint",
            "ordered_at": "timestamp",
            "net_amount": "numeric",
            "paid": "numeric",
            "is_paid": "boolean",
        },
        "team:analytics",
    ),
    "dim_customers": Table(
        WAREHOUSE,
        "acme.marts.dim_customers",
        {
            "customer_id": "bigint",
            "country": "varchar",
            "first_order_at": "timestamp",
            "lifetime_value": "numeric",
        },
        "team:analytics",
    ),
    "daily_revenue": Table(
        WAREHOUSE,
        "acme.marts.daily_revenue",
        {"day": "date", "country": "varchar", "revenue": "numeric", "orders": "bigint"},
        "team:finance",
    ),
    "campaign_roi": Table(
        WAREHOUSE,
        "acme.marts.campaign_roi",
        {"day": "date", "country": "varchar", "spend": "numeric", "revenue": "numeric"},
        "team:marketing",
    ),
    "customer_features": Table(
        FEATURES,
        "customer_features",
        {
            "customer_id": "bigint",
            "country": "varchar",
            "lifetime_value": "double",
            "orders_30d": "bigint",
            "avg_order_value_30d": "double",
        },
        "team:ml",
    ),
    "churn_model": Table(MODELS, "churn_model", {"churn_score": "double"}, "team:ml"),
}


def _ingest(table: str, columns: dict[str, str], minute: int) -> Task:
    source, target = f"shop_{table}", f"raw_{table}"
    name = f"shop_ingest.{table}"
    derives = _same(source, columns)
    return Task(AIRFLOW, name, (source,), target, 1, minute, 4, derives, parent="shop_ingest")


def _model(output: str, inputs: tuple[str, ...], minute: int, derives: dict[str, str], filters: str = "") -> Task:
    name = f"{TABLES[output].name}.run"
    return Task(DBT, name, inputs, output, 2, minute, 3, derives, filters, parent="dbt-run-acme", kind="MODEL")


TASKS: Final[tuple[Task, ...]] = (
    _ingest("customers", _CUSTOMERS, 2),
    _ingest("orders", _ORDERS, 3),
    _ingest("payments", _PAYMENTS, 4),
    Task(
        AIRFLOW,
        "marketing_sync",
        ("ads_report",),
        "raw_campaigns",
        1,
        10,
        3,
        _same("ads_report", _CAMPAIGNS),
        kind="DAG",
    ),
    _model("stg_customers", ("raw_customers",), 21, _same("raw_customers", _CUSTOMERS)),
    _model("stg_orders", ("raw_orders",), 21, _same("raw_orders", _ORDERS), "raw_orders.status"),
    _model("stg_payments", ("raw_payments",), 22, _same("raw_payments", _PAYMENTS)),
    _model(
        "fct_orders",
        ("stg_orders", "stg_payments"),
        26,
        {
            "order_id": "stg_orders.order_id",
            "customer_id": "stg_orders.customer_id",
            "ordered_at": "stg_orders.ordered_at",
            "net_amount": "stg_orders.amount stg_orders.discount",
            "paid": "stg_payments.paid",
            "is_paid": "stg_payments.paid stg_orders.amount",
        },
        "stg_orders.order_id stg_payments.order_id",
    ),
    _model(
        "dim_customers",
        ("stg_customers", "fct_orders"),
        31,
        {
            "customer_id": "stg_customers.customer_id",
            "country": "stg_customers.country",
            "first_order_at": "fct_orders.ordered_at",
            "lifetime_value": "fct_orders.net_amount",
        },
        "stg_customers.customer_id fct_orders.customer_id",
    ),
    _model(
        "daily_revenue",
        ("fct_orders", "dim_customers"),
        36,
        {
            "day": "fct_orders.ordered_at",
            "country": "dim_customers.country",
            "revenue": "fct_orders.net_amount",
            "orders": "fct_orders.order_id",
        },
        "fct_orders.is_paid",
    ),
    _model(
        "campaign_roi",
        ("raw_campaigns", "daily_revenue"),
        40,
        {
            "day": "raw_campaigns.day",
            "country": "raw_campaigns.country",
            "spend": "raw_campaigns.spend",
            "revenue": "daily_revenue.revenue",
        },
        "raw_campaigns.day daily_revenue.day",
    ),
    Task(
        AIRFLOW,
        "feature_build.customer_features",
        ("dim_customers", "fct_orders"),
        "customer_features",
        6,
        45,
        8,
        {
            "customer_id": "dim_customers.customer_id",
            "country": "dim_customers.country",
            "lifetime_value": "dim_customers.lifetime_value",
            "orders_30d": "fct_orders.order_id",
            "avg_order_value_30d": "fct_orders.net_amount",
        },
        "fct_orders.ordered_at",
        parent="feature_build",
    ),
    Task(
        ML,
        "train_churn_model",
        ("customer_features",),
        "churn_model",
        24,
        55,
        40,
        {
            "churn_score": "customer_features.country customer_features.lifetime_value customer_features.orders_30d"
            " customer_features.avg_order_value_30d"
        },
        kind="TRAINING",
    ),
    Task(BI, "revenue_dashboard", ("daily_revenue",), None, 6, 50, 1, kind="DASHBOARD"),
)
