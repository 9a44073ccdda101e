"""Found as every lever is, by its folder; the targets are the simulation's."""

from tests.simulation.targets import MemoryAdapter as Adapter

__all__ = ["Adapter"]
