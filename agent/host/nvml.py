"""The temperature of NVIDIA cards, from the driver's own library. Jetsons have thermal zones instead."""

from __future__ import annotations

import ctypes

_SUCCESS = 0
_TEMPERATURE_GPU = 0  # nvmlTemperatureSensors_t.NVML_TEMPERATURE_GPU


class Nvml:
    """An open NVML. `open` gives None where there is no NVIDIA driver."""

    def __init__(self, library: ctypes.CDLL, cards: list[ctypes.c_void_p]) -> None:
        self._library = library
        self._cards = cards

    @classmethod
    def open(cls) -> Nvml | None:
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return None
        count = ctypes.c_uint()
        if library.nvmlInit_v2() != _SUCCESS or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != _SUCCESS:
            return None
        cards = [ctypes.c_void_p() for _ in range(count.value)]
        found = [
            card
            for index, card in enumerate(cards)
            if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(card)) == _SUCCESS
        ]
        return cls(library, found)

    def temperatures_c(self) -> list[float]:
        """One per card that answers."""
        celsius = ctypes.c_uint()
        found = []
        for card in self._cards:
            if self._library.nvmlDeviceGetTemperature(card, _TEMPERATURE_GPU, ctypes.byref(celsius)) == _SUCCESS:
                found.append(float(celsius.value))
        return found
