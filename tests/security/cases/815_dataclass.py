"""A dataclass with slots, inheritance and a property.
"""
# %% running_mean
from abc import ABC, abstractmethod
from dataclasses import dataclass, field


class Mean(ABC):
    @abstractmethod
    def add(self, x): ...


@dataclass(slots=True)
class RunningMean(Mean):
    values: list = field(default_factory=list)

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    def add(self, x):
        self.values.append(x)
        return self.mean
