"""Kinds of line, as plans and rate decks name them."""

from enum import StrEnum


class LineKind(StrEnum):
    EMERGENCY = "emergency"
    LANDLINE = "landline"
    MOBILE = "mobile"
    LANDLINE_OR_MOBILE = "landline_or_mobile"  # North America does not tell them apart
    NATIONAL = "national"  # no place, ordinary price: UK 03, French 0806 to 0809
    VOIP = "voip"
    CORPORATE = "corporate"  # UK 055
    PERSONAL = "personal"  # UK 070
    PAGER = "pager"  # UK 076
    TOLL_FREE = "toll_free"
    SERVICE = "service"  # ordinary call plus service charge: UK 084 and 087, French 081, 082, 3xxx
    PREMIUM = "premium"  # UK 09, French 089, international 979
    DIRECTORY = "directory"  # 118
    SATELLITE = "satellite"  # 870, 881, and the global networks 882 and 883
    SHORT = "short"  # a short code of which only its owner's price is known
    UNKNOWN = "unknown"
