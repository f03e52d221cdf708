"""The masks of records that tell what has changed since the one before, with the last ones at hand."""

from pruning.topology.expression_summary import ExpressionSummary
from pruning.topology.history_file import HistoryFile
from pruning.topology.history_frame import DIFFERENCE, NO_MASK
from pruning.topology.history_mask import Mask, check_mask, decode_mask
from pruning.topology.history_numbers import decode_numbers
from pruning.topology.snapshot import TopologySnapshot


class MaskChain:
    """Reads records and their masks, from the last whole masks, or those at hand, on.

    Parameters
    ----------
    file : HistoryFile
        Where they lie; its lock is held by the caller.
    """

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self._held: tuple[int, int, Mask] | None = None  # number, checksum and masks of a record

    def has_mask(self, number: int) -> bool:
        """Whether a record holds masks; known without reading it."""
        return self._file.frames[number].kind != NO_MASK

    def numbers(self, number: int) -> tuple[TopologySnapshot, ExpressionSummary | None, bytes]:
        """Read a record but for its masks, and the bytes of those.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        payload = self._file.payload(number)
        try:
            return decode_numbers(self._file.header, payload, self._file.frames[number].step)
        except ValueError as error:
            raise self._file.damaged(number, error) from None

    def mask(self, number: int, live: int, stored: bytes) -> Mask:
        """Masks of a record that has so many live gates and these bytes; not to be modified.

        Raises
        ------
        ValueError
            If it, or a record that it is a difference from, is damaged.
        """
        mask = self._at_hand(number)
        if mask is not None:
            return mask
        chain = [(number, live, stored)]
        while self._file.frames[chain[-1][0]].kind == DIFFERENCE:
            earlier = chain[-1][0] - 1
            mask = self._at_hand(earlier)
            if mask is not None:
                break
            snapshot, _, bits = self.numbers(earlier)
            chain.append((earlier, snapshot.live, bits))
        for place, count, bits in reversed(chain):
            try:
                mask = decode_mask(self._file.header, bits, mask)
                check_mask(self._file.header, mask, count)
            except ValueError as error:
                raise self._file.damaged(place, error) from None
        assert mask is not None
        self.hold(number, mask)
        return mask

    def last(self) -> Mask | None:
        """Masks that the next record may be a difference from."""
        number = len(self._file.frames) - 1
        if number < 0 or not self.has_mask(number):
            return None
        mask = self._at_hand(number)
        if mask is not None:
            return mask
        snapshot, _, stored = self.numbers(number)
        return self.mask(number, snapshot.live, stored)

    def hold(self, number: int, mask: Mask) -> None:
        """Keep the masks of a record at hand."""
        # The checksum tells the record from another that took its place when the file was cut.
        self._held = number, self._file.frames[number].checksum, mask

    def _at_hand(self, number: int) -> Mask | None:
        if self._held is None or self._held[:2] != (number, self._file.frames[number].checksum):
            return None
        return self._held[2]
