"""One OpenAPI document from the ones that protoc-gen-openapiv3 writes, one a service.

Three things of its output do not hold for our API, and are mended here, not by hand:

- A name such as `users/*/jobs/*` becomes the path parameters `{name}` and `{name_1}`, called
  after the request's field, so that one path has several spellings, which OpenAPI forbids. They
  are called after what they stand for: `/v1/users/{user}/jobs/{job}`.
- The body of a PATCH is the whole resource with its required fields, though any part will do.
- An item of `:batchCreate` needs no `parent`: it has the batch's (AIP-233).
"""

import copy
import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_INFO = {
    "title": "Tickwheel",
    "version": "v1",
    "description": "Jobs that run once or again and again, put on Kafka at their moment.",
}

# By the collection that stands before it in the path: the parameter's name and description.
_PARAMETERS = {
    "users": ("user", "The owner. In lists and watches `-` stands for all."),
    "jobs": ("job", "The job's id. In lists and watches `-` stands for all."),
    "runs": ("run", "The run's id, such as `20261123T120000000Z`."),
    "workers": ("worker", "The worker's id."),
}

_REFERENCE = "#/components/schemas/"
_BATCH_ITEM = "tickwheel.v1.CreateJobRequest"


def merge(documents: Iterable[Json]) -> Json:
    """The documents as one, with what does not hold mended.

    Raises:
        ValueError: a path has a parameter after a collection that is not known here, or two
            documents define the same thing differently.
    """
    paths: Json = {}
    schemas: Json = {}
    tags: list[Json] = []
    openapi = ""
    for document in documents:
        openapi = document["openapi"]
        tags += document.get("tags", [])
        for name, schema in document["components"]["schemas"].items():
            _add(schemas, name, schema)
        for path, operations in document["paths"].items():
            renamed, parameters = _name_parameters(path)
            for method, operation in operations.items():
                others = [p for p in operation.get("parameters", []) if p["in"] != "path"]
                operation["parameters"] = parameters + others
                _add(paths.setdefault(renamed, {}), method, operation)
    for operations in paths.values():
        if "patch" in operations:
            content = operations["patch"]["requestBody"]["content"]["application/json"]
            content["schema"] = _partial(schemas, content["schema"])
    schemas[_BATCH_ITEM]["required"].remove("parent")
    return {
        "openapi": openapi,
        "info": _INFO,
        "tags": sorted(tags, key=lambda tag: tag["name"]),
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _add(into: Json, key: str, value: Json) -> None:
    if into.setdefault(key, value) != value:
        message = f"two definitions of {key}"
        raise ValueError(message)


def _name_parameters(path: str) -> tuple[str, list[Json]]:
    segments = path.split("/")
    parameters: list[Json] = []
    for index, segment in enumerate(segments):
        found = re.fullmatch(r"\{[^}]+\}(:\w+)?", segment)
        if not found:
            continue
        collection = segments[index - 1]
        if collection not in _PARAMETERS:
            message = f"{path}: no name is known for the parameter after {collection!r}"
            raise ValueError(message)
        name, description = _PARAMETERS[collection]
        segments[index] = f"{{{name}}}{found[1] or ''}"
        parameters.append(
            {
                "name": name,
                "in": "path",
                "description": description,
                "required": True,
                "schema": {"type": "string"},
            }
        )
    return "/".join(segments), parameters


def _partial(schemas: Json, schema: Json) -> Json:
    """A reference to a copy of what `schema` refers to, of which no property is required."""
    name = schema["$ref"].removeprefix(_REFERENCE)
    if "required" not in schemas[name]:
        return schema
    part = f"{name}Patch"
    if part not in schemas:
        schemas[part] = copy.deepcopy(schemas[name])
        del schemas[part]["required"]
        for key, value in schemas[part]["properties"].items():
            if "$ref" in value:
                schemas[part]["properties"][key] = value | _partial(schemas, value)
    return schema | {"$ref": f"{_REFERENCE}{part}"}
