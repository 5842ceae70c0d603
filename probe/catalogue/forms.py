"""The catalogue's files as people write them: strict, so that a misspelt key is an error and not silence."""

from typing import Annotated, Literal

import msgspec

ID = r"^[a-z0-9][a-z0-9-]*$"
COUNTRY = r"^[A-Z]{2}$"
LOCATION = r"^(dns|body|title|status|url|header\.[!#-&*+.^_`|~0-9a-z-]+)$"

Confidence = Literal["D", "C", "M"]
Name = Annotated[str, msgspec.Meta(min_length=1)]
Id = Annotated[str, msgspec.Meta(pattern=ID, max_length=40)]
Status = Annotated[int, msgspec.Meta(ge=100, le=999)]
Country = Annotated[str, msgspec.Meta(pattern=COUNTRY)]
Asn = Annotated[int, msgspec.Meta(ge=1, le=4294967295)]


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all forms have in common: unknown keys are refused."""


class EndpointForm(Form, frozen=True, kw_only=True):
    """`source` says where the endpoint is known from, `conf` how well: D the vendor's own document or OONI's
    specification, C public code or lists, M memory."""

    url: Name
    source: Name
    conf: Confidence
    group: Name | None = None
    method: Literal["GET", "POST"] = "GET"
    healthy: tuple[Status, ...] = ()
    roots: Name | None = None
    note: Name | None = None


class ServiceForm(Form, frozen=True, kw_only=True):
    """The endpoints are converted one by one, so that a fault can name the service it is in."""

    endpoints: list[object]
    sample: Annotated[int, msgspec.Meta(ge=1)] | None = None
    blocked_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


class PlatformForm(Form, frozen=True, kw_only=True):
    id: Id
    name: Name
    services: dict[Id, object]
    domains: tuple[Name, ...] = ()


class AnchorForm(Form, frozen=True, kw_only=True):
    url: Name
    operator: Name
    source: Name
    conf: Confidence
    status: Status | None = None
    body: Name | None = None
    title: Name | None = None
    country: Country | None = None


class ResolverForm(Form, frozen=True, kw_only=True):
    operator: Name
    url: Name
    addresses: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    source: Name
    conf: Confidence


class NeutralForm(Form, frozen=True, kw_only=True):
    name: Name
    source: Name


class ReflectorForm(Form, frozen=True, kw_only=True):
    url: Name
    source: Name


class TraceForm(Form, frozen=True, kw_only=True):
    operator: Name
    url: Name
    addresses: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    source: Name
    conf: Confidence


class WhoamiForm(Form, frozen=True, kw_only=True):
    operator: Name
    name: Name
    qtype: Literal["A", "AAAA", "TXT"]
    source: Name
    conf: Confidence
    resolver: Name | None = None


class OriginForm(Form, frozen=True, kw_only=True):
    operator: Name
    ipv4: Name
    ipv6: Name
    names: Name
    source: Name
    conf: Confidence


class IdentityForm(Form, frozen=True, kw_only=True):
    traces: tuple[TraceForm, ...] = ()
    whoami: tuple[WhoamiForm, ...] = ()
    origins: tuple[OriginForm, ...] = ()


class InfrastructureForm(Form, frozen=True, kw_only=True):
    anchors: Annotated[tuple[AnchorForm, ...], msgspec.Meta(min_length=1)]
    resolvers: Annotated[tuple[ResolverForm, ...], msgspec.Meta(min_length=1)]
    neutral: Annotated[tuple[NeutralForm, ...], msgspec.Meta(min_length=1)]
    reflectors: tuple[ReflectorForm, ...] = ()
    identity: IdentityForm = IdentityForm()


class FingerprintForm(Form, frozen=True, kw_only=True):
    """One marker, or several that differ in the pattern only."""

    name: Name
    location: Annotated[str, msgspec.Meta(pattern=LOCATION)]
    pattern_type: Literal["full", "prefix", "contains", "regexp"]
    scope: Literal["nat", "isp", "opt-in", "prod", "inst", "vbw", "fp", "injb", "prov"]
    source: str
    pattern: str | None = None
    patterns: tuple[str, ...] = ()
    confidence: Annotated[int, msgspec.Meta(ge=0, le=10)] = 5
    countries: tuple[Country, ...] = ()
    asns: tuple[Asn, ...] = ()


class FingerprintsForm(Form, frozen=True, kw_only=True):
    fingerprints: list[object]


class OperatorForm(Form, frozen=True, kw_only=True):
    """One organisation: its ASNs, each with the name that its customers know it by."""

    country: Country
    asns: Annotated[dict[Asn, Name], msgspec.Meta(min_length=1)]
    source: Name


class ZonesForm(Form, frozen=True, kw_only=True):
    source: Name
    countries: dict[Country, Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]]


class NetworksForm(Form, frozen=True, kw_only=True):
    source: Name
    asns: dict[Asn, Name]


class TablesForm(Form, frozen=True, kw_only=True):
    operators: list[object]
    zones: ZonesForm
    hosting: NetworksForm | None = None
    vpn: NetworksForm | None = None
