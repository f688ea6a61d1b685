"""Principal components of thoughts over a data set: their few main directions, and runs drawn in them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Cloud, Line, draw_clouds, draw_lines
from coconut_core.common.reprs import record_repr
from coconut_core.common.seeds import new_generator

ABOUT = (
    "The directions in which thoughts of this data set differ most, and how much of their variance lies in "
    "each. Control: the same for points whose coordinates are each dealt out anew among all thoughts, which "
    "keeps the spread of every coordinate and takes away what they have to do with each other (Horn's parallel "
    "analysis): a component counts where it holds more than there. Two components show a little of a space of "
    "many: points that lie together here may lie far apart."
)
SHOWN = 10  # components whose variance is told


@dataclass(frozen=True)
class Pca:
    """The main directions of a set of points."""

    mean: Tensor  # (hidden,)
    axes: Tensor  # (components, hidden), orthonormal, most variance first
    explained: Tensor  # (components,), shares of the variance

    __repr__ = record_repr

    @classmethod
    def fit(cls, points: Tensor, components: int = SHOWN) -> "Pca":
        """Of points (points, hidden). Raises CoconutError for fewer than two points."""
        if points.shape[0] < 2:
            raise CoconutError("principal components need at least two thoughts")
        exact = points.double()
        mean = exact.mean(dim=0)
        covariance = (exact - mean).T @ (exact - mean) / (len(points) - 1)
        values, vectors = torch.linalg.eigh(covariance)
        count = min(components, points.shape[1])
        axes, values = vectors.T.flip(0)[:count], values.flip(0).clamp(min=0)
        largest = axes.abs().argmax(dim=1, keepdim=True)
        axes = axes * axes.gather(1, largest).sign()  # or the sign of an axis would be a matter of luck
        explained = values[:count] / values.sum().clamp(min=1e-300)
        return cls(mean.float(), axes.float(), explained.float())

    def project(self, states: Tensor) -> Tensor:
        """Coordinates of states, (…, hidden) -> (…, components)."""
        return (states.float().to(self.mean.device) - self.mean) @ self.axes.T


def dealt_anew(points: Tensor, seed: int) -> Tensor:
    """Points (points, hidden), each coordinate shuffled among them by itself."""
    generator = new_generator(seed)
    order = torch.rand(points.shape, generator=generator).argsort(dim=0)
    return points.gather(0, order)


def read_pca(study: Study) -> Section:
    """See ABOUT."""
    thoughts = study.runs.thoughts
    if study.thoughts < 1:
        raise CoconutError("principal components of thoughts need at least one thought")
    points = thoughts.flatten(0, 1)
    pca, control = Pca.fit(points), Pca.fit(dealt_anew(points, study.seed))
    x = list(range(1, len(pca.explained) + 1))
    variance = [
        Line("thoughts", x, (100 * pca.explained).tolist()),
        Line("control: coordinates dealt anew", x, (100 * control.explained).tolist()),
    ]
    coordinates = pca.project(thoughts)[..., :2]  # (runs, thoughts, 2)
    clouds = [
        Cloud(f"thought {number + 1}", coordinates[:, number, 0].tolist(), coordinates[:, number, 1].tolist())
        for number in range(study.thoughts)
    ]
    shares = [f"{100 * float(share):.0f} %" for share in pca.explained[:2]]
    cloud = draw_clouds(
        clouds,
        "Thoughts in their two main directions",
        f"component 1 ({shares[0]} of the variance)",
        f"component 2 ({shares[-1]})",
    )
    record: dict[str, Any] = {
        "points": points.shape[0],
        "explained": pca.explained.tolist(),
        "explained_control": control.explained.tolist(),
        "mean_by_thought": pca.project(thoughts).mean(dim=0).tolist(),
    }
    rows = [
        [str(number), f"{100 * share:.1f} %", f"{100 * null:.1f} %"]
        for number, share, null in zip(x, pca.explained.tolist(), control.explained.tolist(), strict=True)
    ]
    caption = f"Share of the variance of {points.shape[0]} thoughts"
    return Section(
        "Principal components of thoughts",
        ABOUT,
        record,
        [Table(caption, ["component", "thoughts", "control"], rows)],
        {"pca": cloud.beside(draw_lines(variance, "Variance", "component", "share of the variance (%)"))},
    )
