"""Models as folders in the layout of the Hugging Face hub.

    config.json        system, format version, the network's configuration
    model.safetensors  weights, in half precision if wanted
    card.json          recipe, data, steps, seed, scores, licence, hash of the weights
    README.md          the same as a page to read

A folder may hold only what differs from another model (see ``low_rank``): ``config.json`` then
names that base by the hash of its weights.

Nothing is ever unpickled. A model that ships with Roadloom goes by its name.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from roadloom.errors import BadInput, MissingInput
from roadloom.io.atomic import write_bytes, write_json, write_text
from roadloom.io.read import is_dir, is_file, read_bytes, read_json
from roadloom.models.low_rank import merged

FORMAT = 1
WEIGHTS, CONFIG, CARD, README = "model.safetensors", "config.json", "card.json", "README.md"
BASE = "base"
AGAIN = "get the whole model folder again"
LARGEST = 2**14
"""Of whole numbers in a configuration: sizes, channels and blocks."""

SYSTEMS: dict[str, tuple[str, str]] = {
    "hexplane_vae": (
        "roadloom.models.hexplane.config.HexPlaneConfig",
        "roadloom.models.hexplane.vae.HexPlaneVae",
    ),
    "hexplane_dit": (
        "roadloom.models.hexplane.generator.GeneratorConfig",
        "roadloom.models.hexplane.generator.HexPlaneGenerator",
    ),
    "features_scene": (
        "roadloom.models.features.scene_net.SceneFeatureConfig",
        "roadloom.models.features.scene_net.SceneFeatures",
    ),
    "features_view": (
        "roadloom.models.features.view_net.ViewFeatureConfig",
        "roadloom.models.features.view_net.ViewFeatures",
    ),
}
"""Name -> where its configuration's dataclass is, and the module's class, built of one alone."""

_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
"""How pickles begin, and the archives that torch writes."""


def save_model(
    folder: str | Path,
    module: nn.Module,
    system: str,
    config: Any,
    card: Mapping[str, Any],
    *,
    half: bool = False,
    base: str | Path | None = None,
    difference: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a model folder. What is there is replaced file by file, the weights last.

    Args:
        system: a name of ``SYSTEMS``.
        config: the dataclass that the module was built of.
        card: for ``card.json`` and the page; ``about`` becomes its first line, ``licence`` its
            licence, ``scores`` a table.
        half: 16 bits for floats of 32; a value that does not fit is refused.
        base: folder or name of a model that, with ``difference``, makes this one.
        difference: all that is stored then, in place of the module's weights.

    Raises:
        BadInput: a weight is not finite or does not fit, or the folder cannot be written.
    """
    from safetensors.torch import save

    path = Path(folder)
    state = module.state_dict() if difference is None else difference
    tensors = {name: _stored(name, tensor, half) for name, tensor in state.items()}
    data = save(tensors)
    count = sum(parameter.numel() for parameter in module.parameters())
    full = {
        **card, "system": system, "parameters": count, "weights_sha256": sha256(data).hexdigest(),
    }  # fmt: skip
    settings = dataclasses.asdict(config)
    about: dict[str, Any] = {"roadloom_model": FORMAT, "system": system, "config": settings}
    if difference is not None:
        about[BASE] = {"weights_sha256": "", "place": ""} if base is None else _told(base, path)
    write_json(path / CONFIG, about)
    write_json(path / CARD, full)
    name = str(full.get("recipe", path.name))  # a folder in the making has another name
    write_text(path / README, readme(name, full))
    write_bytes(path / WEIGHTS, data)
    return path


def load_model(place: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A stored network, in evaluation mode, on the CPU, in 32 bits; and its card.

    Args:
        place: a folder, or the name of a model that ships.

    Raises:
        MissingInput: no such folder, name or file.
        BadInput: a file is damaged, of another version or system, or weights do not fit.
    """
    folder = find_model(place)
    network, config, told = _described(folder / CONFIG)
    card = _card(folder / CARD)
    tensors, digest = _weights(folder / WEIGHTS)
    if told is not None:
        tensors = merged(_weights(_base_of(folder, told) / WEIGHTS)[0], tensors)
    with torch.device("meta"):  # takes no memory, whatever the configuration says
        shapes = _built(network, config, folder / CONFIG).state_dict()
    _check_fit(shapes, tensors, folder / WEIGHTS)
    if digest != card["weights_sha256"]:
        raise BadInput(
            f"is not the file that {CARD} names", file=folder / WEIGHTS, field="weights_sha256",
            remedy=AGAIN,
        )  # fmt: skip
    module = _built(network, config, folder / CONFIG)
    module.load_state_dict(tensors)  # copied into the module's own 32 bits
    return module.requires_grad_(False).eval(), card


def _told(base: str | Path, folder: Path) -> dict[str, str]:
    """How a folder names its base: for certain, and where to look first."""
    found = find_model(base)
    place = Path(base) if is_dir(base) else None
    return {
        "weights_sha256": sha256(read_bytes(found / WEIGHTS)).hexdigest(),
        "place": "" if place is None else os.path.relpath(place, folder),
    }


def _base_of(folder: Path, told: Mapping[str, str]) -> Path:
    """The folder of the base: where it was, beside this one, or among those that ship."""
    beside = sorted(path.parent for path in folder.absolute().parent.glob(f"*/{WEIGHTS}"))
    ships = [_shelf() / name for name in shipped()]
    first = [folder / told["place"]] if told.get("place") else []
    for place in (*first, *beside, *ships):
        if is_file(place / WEIGHTS):
            found = sha256(read_bytes(place / WEIGHTS)).hexdigest()
            if found == told.get("weights_sha256"):
                return place
    raise MissingInput(
        f"the model it differs from is not there (weights {str(told.get('weights_sha256'))[:12]})",
        file=folder, field=BASE, remedy="put that model's folder beside this one",
    )  # fmt: skip


def find_model(place: str | Path) -> Path:
    """The folder itself, or that of the shipped model of this name."""
    if str(place) in shipped():
        return _shelf() / str(place)
    if is_dir(place):
        return Path(place)
    raise MissingInput(
        "is no folder and no model that ships", file=place,
        remedy=f"name a model folder, or one of {', '.join(shipped()) or 'none yet'}",
    )  # fmt: skip


def shipped() -> tuple[str, ...]:
    """Names of the models that come with Roadloom."""
    return tuple(sorted(path.parent.name for path in _shelf().glob(f"*/{CONFIG}")))


def readme(name: str, card: Mapping[str, Any]) -> str:
    """The card as a page, with the header that the hub reads."""
    lines = ["---", "library_name: roadloom"]
    lines += [f"license: {card['licence']}"] if "licence" in card else []
    lines += ["---", "", f"# {name}", ""]
    lines += [f"{card['about']}", ""] if "about" in card else []
    lines += [f"System `{card['system']}`, {card['parameters']:,} parameters.", ""]
    scores = card.get("scores")
    if isinstance(scores, Mapping) and scores:
        lines += ["| score | value |", "|---|---|"]
        lines += [f"| {key} | {_short(value)} |" for key, value in scores.items()] + [""]
    told = {"about", "licence", "scores", "system", "parameters"}
    lines += [f"- {key}: {_short(value)}" for key, value in card.items() if key not in told]
    return "\n".join(lines).rstrip() + "\n"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shelf() -> Path:
    return Path(str(files("roadloom"))) / "weights"


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    small = tensor.half() if half and tensor.dtype == torch.float32 else tensor
    if tensor.is_floating_point() and not bool(small.isfinite().all()):
        raise BadInput(
            "is not finite" + (" in 16 bits" if half else ""), field=name,
            remedy="store weights of a run that did not diverge, or in 32 bits",
        )  # fmt: skip
    return small.detach().cpu().contiguous()


def _described(file: Path) -> tuple[Callable[[Any], nn.Module], Any, dict[str, str] | None]:
    """What a ``config.json`` holds: the class of a network, its configuration, its base."""
    found = read_json(file)
    if not isinstance(found, dict) or found.get("roadloom_model") != FORMAT:
        raise BadInput(
            f"is no model configuration of version {FORMAT}", file=file, field="roadloom_model",
            remedy="store the model with this version of Roadloom",
        )  # fmt: skip
    system, settings = found.get("system"), found.get("config")
    if not isinstance(system, str) or system not in SYSTEMS:
        raise BadInput(
            f"{system!r} is no system of this version", file=file, field="system",
            remedy=f"there are {', '.join(sorted(SYSTEMS))}",
        )  # fmt: skip
    kind, network = map(_import, SYSTEMS[system])
    _check_numbers(settings, file)
    try:
        config = msgspec.convert(settings, kind)
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise BadInput(str(error), file=file, field="config", remedy=AGAIN) from error
    unknown = sorted(set(settings or ()) - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        raise BadInput(
            f"{', '.join(unknown)}: not known to this version", file=file, field="config",
            remedy="use the version of Roadloom that stored it",
        )  # fmt: skip
    base = found.get(BASE)
    if base is not None:
        texts = isinstance(base, dict) and all(isinstance(base[name], str) for name in base)
        if not texts or not base.keys() >= {"weights_sha256", "place"}:
            raise BadInput("names no base", file=file, field=BASE, remedy=AGAIN)
    return network, config, base


def _check_numbers(settings: Any, file: Path) -> None:
    """Refuse whole numbers that would ask for endless work."""
    if isinstance(settings, int) and settings > LARGEST:
        raise BadInput(
            f"{str(settings)[:40]} is beyond {LARGEST}", file=file, field="config",
            remedy=AGAIN,
        )  # fmt: skip
    if isinstance(settings, dict | list):
        for inner in settings.values() if isinstance(settings, dict) else settings:
            _check_numbers(inner, file)


def _built(network: Callable[[Any], nn.Module], config: Any, file: Path) -> nn.Module:
    """With fresh weights."""
    try:
        return network(config)
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        raise BadInput(
            f"describes no network: {error}", file=file, field="config", remedy=AGAIN
        ) from error


def _card(file: Path) -> dict[str, Any]:
    card = read_json(file)
    if not isinstance(card, dict):
        raise BadInput("is no card of a model", file=file, remedy=AGAIN)
    for name in ("weights_sha256", "grid", "class_view", "licence"):
        if not isinstance(card.get(name, "" if name != "weights_sha256" else None), str):
            raise BadInput("is no text", file=file, field=name, remedy=AGAIN)
    return card


def _import(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _weights(file: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, and its hash."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = read_bytes(file)
    if data.startswith(_PICKLES):
        raise BadInput(
            "is a pickled checkpoint, which can run code when it is read", file=file,
            remedy="let its owner store it as safetensors",
        )  # fmt: skip
    try:
        return dict(load(data)), sha256(data).hexdigest()
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInput(f"is no whole safetensors file: {error}", file=file, remedy=AGAIN) from error


def _check_fit(own: Mapping[str, Tensor], found: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights that are lacking, too many, of another shape, or not finite."""
    for what, names in (("lack", own.keys() - found.keys()), ("add", found.keys() - own.keys())):
        if names:
            some = ", ".join(sorted(names)[:3])
            raise BadInput(
                f"the weights {what} {len(names)}: {some}", file=file, field="names", remedy=AGAIN
            )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise BadInput(
                f"{tuple(tensor.shape)}, the configuration asks for {tuple(own[name].shape)}",
                file=file, field=name, remedy=AGAIN,
            )  # fmt: skip
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise BadInput("holds NaN or infinity", file=file, field=name, remedy=AGAIN)
