"""Vehicle identification numbers: their form and their check digit."""

import re

FORM = re.compile("[A-HJ-NPR-Z0-9]{17}")
"""17 letters and digits; I, O and Q look too much like digits to be among them."""

_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True)) | {
    str(digit): digit for digit in range(10)
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_PLACE = 8


def checks(vin: str) -> bool:
    """
    Whether the ninth character of a vin is the check digit of the others; false of what has not the form of a vin.

    Source:
        ISO 3779 and 49 CFR 565.15(c), Tables III to VI. Europe asks for no check digit; a vin without one may be right.
    """
    if not FORM.fullmatch(vin):
        return False
    remainder = sum(_VALUES[character] * weight for character, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    return vin[_PLACE] == "0123456789X"[remainder]
