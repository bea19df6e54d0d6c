"""What JSON holds, as types; a module of its own, so that naming them needs no package that reads it."""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
"""An object of JSON; what its values are is said by the schema it was read with, or by the page that shows it."""
JsonMapping = Mapping[str, Any]
"""The same where nobody writes to it."""
