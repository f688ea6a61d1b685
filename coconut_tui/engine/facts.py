"""What the interface needs to know of a model."""

from coconut_core.checkpoints.bundled import short_name
from coconut_core.coconut import CoconutModel
from coconut_core.interventions.donors import DONORS
from coconut_core.interventions.text import FORMS
from coconut_core.latent.layers import head_count
from coconut_core.problems import trained_size
from coconut_tui.run.state import FormFacts, ModelFacts


def facts_of(model: CoconutModel) -> ModelFacts:
    """The model as plain data."""
    config, shape = model.config, model.shape
    return ModelFacts(
        name=short_name(model.name),
        trained=config.trained,
        family=config.family,
        answer_prefix=config.answer_prefix,
        problem_size=trained_size(config.family, config.recipe),
        first_thought_hops=config.first_thought_hops,
        layers=shape.num_hidden_layers,
        heads=head_count(model),
        forms=tuple(
            FormFacts(form.name, form.usage, form.arguments, form.takes_places, form.description, form.example)
            for form in FORMS
        ),
        donors=tuple((name, donor.description) for name, donor in DONORS.items()),
        feedback=config.feedback,
        spaces_shown=model.vocabulary.marked,
        chat=bool(config.chat),
    )
