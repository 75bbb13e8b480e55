"""Which entry goes first when there is no room for all."""

from typing import Protocol


class Policy(Protocol):
    """Orders keys by what they seem to be worth. Pure: knows neither values nor time. Every method is O(1), amortised."""

    def add(self, key: bytes, size: int) -> None:
        """Takes up a key that it does not hold, with the bytes that its entry counts for."""

    def touch(self, key: bytes) -> None:
        """Notes that a key which it holds was used."""

    def remove(self, key: bytes) -> None:
        """Lets go of a key that it holds."""

    def give_up(self) -> bytes:
        """Lets go of the key that is worth least, and says which; it may be the one added last. At least one is held."""

    def __len__(self) -> int: ...
