"""Types of columns as a person means them, and how each engine, and each version of it, spells them.

An upgrade of an engine changes the spelling and nothing else.
"""

from __future__ import annotations

from enum import StrEnum

Meaning = str | dict[str, str]
"""A plain type by what it means, or the fields of a struct."""


class Engine(StrEnum):
    """Who spells."""

    POSTGRES = "postgres"
    SPARK = "spark"
    BIGQUERY = "bigquery"
    SNOWFLAKE = "snowflake"


PLAIN = ("int", "long", "text", "short_text", "money", "real", "day", "moment", "flag")

_SPELLINGS: dict[Engine, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Engine.POSTGRES: (
        ("int", "bigint", "text", "varchar(255)", "numeric(10,2)", "double", "date", "timestamp", "boolean"),
        (
            "integer",
            "int8",
            "text",
            "character varying(255)",
            "decimal(10,2)",
            "float8",
            "date",
            "timestamp without time zone",
            "bool",
        ),
    ),
    Engine.SPARK: (
        ("int", "bigint", "string", "varchar(255)", "decimal(10,2)", "double", "date", "timestamp", "boolean"),
        ("integer", "long", "STRING", "VARCHAR(255)", "DECIMAL(10, 2)", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN"),
    ),
    Engine.BIGQUERY: (
        ("INT64", "INT64", "STRING", "STRING(255)", "NUMERIC(10,2)", "FLOAT64", "DATE", "TIMESTAMP", "BOOL"),
        ("INTEGER", "INTEGER", "string", "string(255)", "DECIMAL(10,2)", "FLOAT", "date", "timestamp", "BOOLEAN"),
    ),
    Engine.SNOWFLAKE: (
        (
            "NUMBER(9,0)",
            "NUMBER(19,0)",
            "VARCHAR",
            "VARCHAR(255)",
            "NUMBER(10,2)",
            "FLOAT",
            "DATE",
            "TIMESTAMP_NTZ",
            "BOOLEAN",
        ),
        (
            "DECIMAL(9,0)",
            "DECIMAL(19,0)",
            "TEXT",
            "STRING(255)",
            "DECIMAL(10,2)",
            "DOUBLE",
            "DATE",
            "DATETIME",
            "BOOLEAN",
        ),
    ),
}
_SHORTER = "tiny_text"
_SHORTER_OF = {
    Engine.POSTGRES: ("varchar(40)", "character varying(40)"),
    Engine.SPARK: ("varchar(40)", "VARCHAR(40)"),
    Engine.BIGQUERY: ("STRING(40)", "string(40)"),
    Engine.SNOWFLAKE: ("VARCHAR(40)", "STRING(40)"),
}
NARROWER = {"short_text": _SHORTER, "moment": "day", "real": "long"}
WIDER = {"short_text": "text", "day": "moment"}
OTHER = {"text": "flag", "day": "money", "flag": "moment", "money": "flag", "int": "day"}
"""To what a column of such a type becomes by a drift of each class."""


def spelled(meaning: str, engine: Engine, version: int) -> str:
    """How an engine of that version, 0 or 1, spells a plain type."""
    if meaning == _SHORTER:
        return _SHORTER_OF[engine][version]
    return _SPELLINGS[engine][version][PLAIN.index(meaning)]
