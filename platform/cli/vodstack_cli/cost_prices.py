"""List prices, from a file that says where each was found; a price without a source is unknown."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from vodstack_cli.errors import CommandError

REGION = "us-east-1"
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Amount:
    """US dollars, as far as they are known: `most` is None where there is no upper bound."""

    least: Decimal = Decimal(0)
    most: Decimal | None = Decimal(0)

    def __add__(self, other: "Amount") -> "Amount":
        most = None if self.most is None or other.most is None else self.most + other.most
        return Amount(self.least + other.least, most)

    def times(self, factor: Decimal) -> "Amount":
        return Amount(self.least * factor, None if self.most is None else self.most * factor)

    def rounded(self, unit: Decimal = CENT) -> "Amount":
        """Return the amount to the cent, or to another unit, by the rule that printing follows."""
        return Amount(self.least.quantize(unit), None if self.most is None else self.most.quantize(unit))

    def __str__(self) -> str:
        least, most = f"${self.least:,.2f}", "unknown" if self.most is None else f"${self.most:,.2f}"
        if self.least == self.most:
            return least
        if self.least == 0:
            return "unknown" if self.most is None else f"unknown, at most {most}"
        return f"at least {least}" if self.most is None else f"at least {least}, at most {most}"


UNKNOWN = Amount(Decimal(0), None)


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """A list price. `dated` is what the source says of its age, `checked` when the source was read."""

    unit: str
    source: str
    dated: str
    checked: date
    value: Decimal | None = None


class InstancePrices(Struct, frozen=True, forbid_unknown_fields=True):
    """Instance types on demand, by the hour."""

    source: str
    dated: str
    checked: date
    hourly: dict[str, Decimal]


class VideoHour(Struct, frozen=True, forbid_unknown_fields=True):
    """What an hour of video takes: an assumption, and where it comes from."""

    what: str
    source: str
    checked: date
    vcpu_hours: Decimal
    original_gb: Decimal
    published_gb: Decimal
    watched_gb: Decimal
    objects: Decimal
    hd_outputs: int
    sd_outputs: int


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    prices: dict[str, Price]
    instances: InstancePrices
    video_hour: VideoHour

    def of(self, name: str) -> Amount:
        """Raises CommandError where the file has no such entry at all."""
        try:
            value = self.prices[name].value
        except KeyError:
            raise CommandError(
                f"the prices lack the entry prices.{name}: add it, without a value if it is unknown"
            ) from None
        return _amount(value)

    def instance(self, instance_type: str) -> Amount:
        return _amount(self.instances.hourly.get(instance_type))

    @property
    def checked(self) -> date:
        """The day on which the oldest price was checked."""
        return min(self.instances.checked, *(price.checked for price in self.prices.values()))


def read_prices(path: Path) -> Prices:
    """Raises CommandError that names what is wrong."""
    try:
        content: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        return msgspec.convert(content, type=Prices)
    except OSError as error:
        raise CommandError(f"the prices cannot be read: {error}. Name their file by --prices.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CommandError(f"{path} is no file of prices: {error}. docs/prices.toml shows the form.") from error


def _amount(value: Decimal | None) -> Amount:
    return UNKNOWN if value is None else Amount(value, value)
