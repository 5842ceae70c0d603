"""What is publicly known of the risk in single countries, said with care.

No legal advice, and never complete: a country that is not here is not therefore safe. The three degrees follow in the
large what public reports say (Freedom House's Freedom on the Net, Access Now's #KeepItOn, OONI's country reports); no
lawyer of these countries has reviewed them yet, and who knows better should correct them.
"""

_CAVEAT = (
    "This is no legal advice and may be out of date. If you can, ask somebody there who knows the law, for instance a "
    "digital rights organisation, over a channel that you trust."
)

_SEVERE = (
    "In {country} people have been detained or punished for what they read, wrote or passed on online, connections are "
    "registered by name, and traffic is recorded or inspected by order of the state. Documenting censorship, above all "
    "for somebody abroad, may be taken for an offence whatever the letter of the law. Think of everybody who could be "
    "asked about this connection. Taking part only from a rented server that is not tied to you, or not at all, may be "
    "the better choice."
)
_ELEVATED = (
    "In {country} providers block by order of the authorities, and people have been prosecuted for what they published "
    "online. We know of no rule against measuring as such, which does not mean that there is none; what a provider's "
    "records show may be read against the holder of the connection, in times of unrest or elections above all."
)
_NOTED = (
    "In {country} services are blocked by order of authorities or courts. Contacting a blocked service is not "
    "known to us to be an offence in itself, and providers may all the same ask about unusual traffic."
)

_COUNTRIES: dict[str, tuple[str, str]] = {
    "AE": ("the United Arab Emirates", _ELEVATED),
    "AZ": ("Azerbaijan", _ELEVATED),
    "BD": ("Bangladesh", _ELEVATED),
    "BY": ("Belarus", _SEVERE),
    "CN": ("China", _SEVERE),
    "CU": ("Cuba", _SEVERE),
    "EG": ("Egypt", _SEVERE),
    "ER": ("Eritrea", _SEVERE),
    "ET": ("Ethiopia", _ELEVATED),
    "ID": ("Indonesia", _NOTED),
    "IN": ("India", _NOTED),
    "IQ": ("Iraq", _ELEVATED),
    "IR": ("Iran", _SEVERE),
    "KE": ("Kenya", _NOTED),
    "KP": ("North Korea", _SEVERE),
    "KZ": ("Kazakhstan", _ELEVATED),
    "MM": ("Myanmar", _SEVERE),
    "NI": ("Nicaragua", _ELEVATED),
    "PK": ("Pakistan", _ELEVATED),
    "RU": ("Russia", _SEVERE),
    "SA": ("Saudi Arabia", _SEVERE),
    "SY": ("Syria", _ELEVATED),
    "TH": ("Thailand", _ELEVATED),
    "TJ": ("Tajikistan", _SEVERE),
    "TM": ("Turkmenistan", _SEVERE),
    "TR": ("Türkiye", _ELEVATED),
    "UG": ("Uganda", _ELEVATED),
    "UZ": ("Uzbekistan", _ELEVATED),
    "VE": ("Venezuela", _ELEVATED),
    "VN": ("Vietnam", _SEVERE),
}


def note(country: str) -> tuple[str, ...] | None:
    """Paragraphs for the country (ISO 3166-1 alpha-2); None where nothing is written of it."""
    found = _COUNTRIES.get(country.upper())
    return (found[1].format(country=found[0]), _CAVEAT) if found else None
