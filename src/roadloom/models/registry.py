"""The published systems that we compute, by the name that their fixtures give.

To add one, write a module ``published_NAME.py`` beside its network with one ``PublishedSystem``
(see ``roadloom.models.published`` for its five functions) and add a line to ``SYSTEMS``. Then
``roadloom parity`` checks it, and ``load_published`` and ``published_state`` convert it:

    build(config) -> module            config is the fixture's own; typed errors name the option
    names(module) -> {published key: key of module.state_dict()}, one to one, shapes the same
    inputs(module), outputs(module) -> {array name: Field(dtype, shape)}
    run(module, {input name: tensor}) -> {output name: tensor}

A tensor that the model computes for itself (position tables) is a persistent buffer of the same
shape; parity leaves it as built. ``run`` is called without gradients, in evaluation mode.
"""

from roadloom.models.hexplane.published_dit import HEXPLANE_DIT
from roadloom.models.hexplane.published_names import HEXPLANE_VAE
from roadloom.models.published import PublishedSystem

SYSTEMS: dict[str, PublishedSystem] = {
    "hexplane_vae": HEXPLANE_VAE,
    "hexplane_dit": HEXPLANE_DIT,
}
