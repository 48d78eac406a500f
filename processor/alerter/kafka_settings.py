"""From librdkafka's settings to Faust's: one place to say how Kafka is reached, for every role.

Rules kept here:
- the same keys that the indexer passes to librdkafka are understood; what Faust's client has no use for is
  left out and named, so that the log can say so;
- a security setting that Faust's client cannot keep is refused: never connect less safely than asked.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.model.errors import UsageError

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI")
_TLS = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password")
_CHECKS = ("ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification")
_SASL = ("sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password", "sasl.kerberos.service.name")
_PLAIN = ("bootstrap.servers", "security.protocol", "client.id", "session.timeout.ms", "heartbeat.interval.ms")
_KNOWN = frozenset({*_PLAIN, *_TLS, *_CHECKS, *_SASL})
_REFUSED = ("ssl.", "sasl.")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files and checks of a TLS connection."""

    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    key_password: str | None
    checks_host: bool
    checks_certificate: bool

    def context(self) -> ssl.SSLContext:
        """Make the context. Raises UsageError for a file that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file, self.key_password)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"Kafka's TLS files cannot be used: {error}") from error
        context.check_hostname = self.checks_host and self.checks_certificate
        context.verify_mode = ssl.CERT_REQUIRED if self.checks_certificate else ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How Faust reaches Kafka. `ignored` names the settings that it has no use for."""

    servers: tuple[str, ...]
    protocol: str
    tls: Tls | None
    mechanism: str | None
    username: str | None
    password: str | None
    kerberos_service: str
    client_id: str | None
    session_timeout_s: float | None
    heartbeat_s: float | None
    ignored: tuple[str, ...]

    @property
    def broker(self) -> str:
        """Faust's form of the addresses."""
        return ";".join(f"aiokafka://{server}" for server in self.servers)

    def options(self) -> dict[str, Any]:
        """Settings of a Faust app that follow. Loads Faust and the TLS files."""
        timeouts = {"broker_session_timeout": self.session_timeout_s, "broker_heartbeat_interval": self.heartbeat_s}
        named = {"broker": self.broker, "broker_client_id": self.client_id, **timeouts}
        options = {name: value for name, value in named.items() if value is not None}
        credentials = self._credentials()
        return options if credentials is None else {**options, "broker_credentials": credentials}

    def _credentials(self) -> object | None:
        import faust  # noqa: PLC0415  Faust takes a second to load, and only the alerter's process wants it

        context = self.tls.context() if self.tls else None
        if self.mechanism is None:
            return faust.SSLCredentials(context) if context else None
        if self.mechanism == "GSSAPI":
            return faust.GSSAPICredentials(kerberos_service_name=self.kerberos_service, ssl_context=context)
        return faust.SASLCredentials(
            username=self.username, password=self.password, ssl_context=context, mechanism=self.mechanism
        )


def kafka_settings(librdkafka: Mapping[str, str]) -> KafkaSettings:
    """Translate. Raises UsageError where the connection would not be what was asked for."""
    given = {key: value for key, value in librdkafka.items() if value != ""}
    protocol = _protocol(given)
    _refuse_unknown_security(given)
    return KafkaSettings(
        servers=_servers(given),
        protocol=protocol,
        tls=_tls(given) if protocol in ("SSL", "SASL_SSL") else None,
        mechanism=_mechanism(given) if protocol.startswith("SASL") else None,
        username=given.get("sasl.username"),
        password=given.get("sasl.password"),
        kerberos_service=given.get("sasl.kerberos.service.name", "kafka"),
        client_id=given.get("client.id"),
        session_timeout_s=_seconds(given, "session.timeout.ms"),
        heartbeat_s=_seconds(given, "heartbeat.interval.ms"),
        ignored=tuple(sorted(given.keys() - _KNOWN)),
    )


def _servers(given: Mapping[str, str]) -> tuple[str, ...]:
    servers = tuple(s.strip().rpartition("://")[2] for s in given.get("bootstrap.servers", "").split(",") if s.strip())
    if not servers:
        raise UsageError("no Kafka address: bootstrap.servers is missing")
    return servers


def _protocol(given: Mapping[str, str]) -> str:
    protocol = given.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in _PROTOCOLS:
        raise UsageError(f"kafka security.protocol must be one of {', '.join(_PROTOCOLS)}, not {protocol!r}")
    return protocol


def _mechanism(given: Mapping[str, str]) -> str:
    mechanism = given.get("sasl.mechanisms", given.get("sasl.mechanism", "GSSAPI")).upper()
    if mechanism not in _MECHANISMS:
        raise UsageError(
            f"the alerter's Kafka client speaks {', '.join(_MECHANISMS)}, not sasl.mechanism {mechanism!r}"
        )
    return mechanism


def _tls(given: Mapping[str, str]) -> Tls:
    return Tls(
        ca_file=given.get("ssl.ca.location"),
        certificate_file=given.get("ssl.certificate.location"),
        key_file=given.get("ssl.key.location"),
        key_password=given.get("ssl.key.password"),
        checks_host=given.get("ssl.endpoint.identification.algorithm", "https").lower() != "none",
        checks_certificate=given.get("enable.ssl.certificate.verification", "true").lower() != "false",
    )


def _refuse_unknown_security(given: Mapping[str, str]) -> None:
    for key in sorted(given.keys() - _KNOWN):
        if key.startswith(_REFUSED):
            raise UsageError(f"the alerter's Kafka client does not know {key}; it knows {', '.join((*_TLS, *_SASL))}")


def _seconds(given: Mapping[str, str], key: str) -> float | None:
    try:
        return int(given[key]) / 1000 if key in given else None
    except ValueError:
        raise UsageError(f"kafka {key} must be a number of milliseconds, not {given[key]!r}") from None
