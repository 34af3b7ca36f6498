"""Whether values can be of a category: a flag is no address, a count no telephone number."""

from collections.abc import Callable, Mapping
from typing import Final

from orchestration.scan.values import Profile


def _text(values: Profile) -> bool:
    return (
        not values.is_boolean
        and not values.is_time
        and not values.is_number
        and values.share("number") < 0.5
    )


def fits(category: str, values: Profile) -> bool:
    """Return whether values can be of a category; no values can."""
    if values.is_empty:
        return not values.is_boolean and (
            not values.is_time or category == "user.demographic.date_of_birth"
        )
    check = _FITS.get(category)
    if check is None:
        for parent, each in _FITS.items():
            if category.startswith(parent + "."):
                check = each
                break
    return check(values) if check else not values.is_time


_FITS: Final[Mapping[str, Callable[[Profile], bool]]] = {
    "user.contact.email": lambda v: (
        v.share("email") > 0.3 or (v.share("letters") < 0.2 and v.share("email") > 0.1)
    ),
    "user.contact.phone_number": lambda v: (
        not v.is_time
        and not v.is_boolean
        and v.share("uuid") < 0.5
        and (
            (v.share("phone") > 0.4 and v.share("ip", "date") < 0.6)
            or (v.share("digits") > 0.6 and 6 <= v.length <= 15)
            or (v.digit_count >= 4 and 6 <= v.length <= 24 and v.share("number") < 0.5)
            or (
                v.share("digits") > 0.9
                and 2 <= v.length <= 5
                and v.data_type == "VARCHAR"
                and v.distinct > 20
            )
            or (v.share("digits") > 0.9 and 4.5 < v.length <= 6)
        )
    ),
    "user.contact.fax_number": lambda v: (
        v.share("phone") > 0.4
        or (v.share("digits") > 0.6 and 6 <= v.length <= 15)
        or 6 <= v.digit_count <= 15
    ),
    "user.name": _text,
    "user.contact.address.street": lambda v: (
        not v.is_boolean
        and not v.is_time
        and (not v.is_number or v.length < 6)
        and not v.data_type.startswith(("DOUBLE", "DECIMAL", "FLOAT"))
    ),
    "user.contact.address.city": lambda v: _text(v),
    "user.contact.address.state": lambda v: (
        _text(v) or (v.share("digits") > 0.9 and v.length <= 2.2)
    ),
    "user.contact.address.country": _text,
    "user.contact.address.postal_code": lambda v: (
        not v.is_boolean and not v.is_time and 3 <= v.length <= 11 and v.digit_count >= 2
    ),
    "user.contact.address": lambda v: _text(v) and v.length > 4,
    "user.contact.url": lambda v: _text(v),
    "user.demographic.date_of_birth": lambda v: (
        v.is_time
        or v.share("date", "year") > 0.5
        or (v.digit_count >= 2 and v.length >= 4 and not v.is_number)
        # 231205: year, month and day without signs.
        or (v.is_number and 5 < v.length <= 8)
        or (
            v.is_number
            and v.least is not None
            and v.least > 1850
            and v.most is not None
            and v.most < 2035
        )
        or (
            v.share("number") > 0.9
            and v.least is not None
            and v.least >= 1
            and v.most is not None
            and v.most <= 12
            and v.distinct > 6
        )
    ),
    "user.demographic.gender": lambda v: (
        not v.is_time
        and v.distinct <= 9
        and v.length < 14
        and (
            v.share("gender") > 0.5
            or v.share("letters") > 0.8
            or (v.is_number and v.distinct <= 4 and v.most is not None and v.most <= 9)
        )
    ),
    "user.demographic.age_range": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (
            v.share("number") < 0.5
            or (
                v.least is not None
                and v.most is not None
                and v.least >= 0
                and v.most <= 125
                and v.most >= 12
            )
        )
    ),
    "user.demographic.marital_status": lambda v: not v.is_time and v.distinct <= 14,
    "user.demographic.language": lambda v: _text(v) and v.length < 20,
    "user.demographic.political_opinion": _text,
    "user.demographic.race_ethnicity": lambda v: not v.is_time and v.distinct <= 40,
    "user.demographic.religious_belief": lambda v: not v.is_time and v.distinct <= 40,
    "user.government_id.vehicle_registration": lambda v: (
        not v.is_time and not v.is_boolean and 4 <= v.length <= 15 and v.digit_count >= 1
    ),
    "user.government_id": lambda v: (
        not v.is_time and not v.is_boolean and v.length >= 5 and v.digit_count >= 4
    ),
    "user.financial.bank_account": lambda v: (
        not v.is_time
        and not v.is_boolean
        and v.length >= 3
        and (v.digit_count >= 3 or v.share("code", "word") > 0.5)
    ),
    "user.financial.credit_card": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (
            v.share("card", "masked_card") > 0.5
            or (2 <= v.length <= 8 and v.share("code") < 0.5 and v.share("letters") < 0.5)
        )
    ),
    "user.financial": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (v.is_number or v.share("number") > 0.5 or v.digit_count >= 1.5)
    ),
    "user.device.ip_address": lambda v: v.share("ip") > 0.4,
    "user.device.device_id": lambda v: not v.is_time and not v.is_boolean and v.length >= 10,
    "user.device.cookie_id": lambda v: not v.is_time and not v.is_boolean and v.length >= 6,
    "user.device": lambda v: _text(v) and v.length > 3,
    "user.account.username": lambda v: not v.is_time and not v.is_boolean and not v.is_number,
    "user.authorization": lambda v: not v.is_time and not v.is_boolean and v.length > 3,
    "user.unique_id.pseudonymous": lambda v: (
        not v.is_time and v.length >= 8 and (v.share("hash", "uuid") > 0.5 or v.length >= 12)
    ),
    "user.unique_id": lambda v: not v.is_time and not v.is_boolean and v.words < 1.5,
    "user.location.precise": lambda v: not v.is_time and (v.digit_count >= 3),
    "user.job_title": lambda v: _text(v) and v.length < 60,
    "user.workplace": _text,
    "user.health_and_medical": lambda v: not v.is_time,
    "user.biometric.health": lambda v: (
        not v.is_time and not v.is_boolean and (v.share("number") > 0.5 or v.digit_count >= 1)
    ),
    "user.content.self_image": lambda v: _text(v) and v.length > 6,
    "user.content.private": lambda v: (
        _text(v)
        and (v.words >= 2 or v.length > 6 or v.share("cjk_name", "katakana", "hiragana") > 0.3)
    ),
    "user.criminal_history": lambda v: not v.is_time,
}
