"""The generators: what is mended of the OpenAPI documents, and what counts as out of date."""

from typing import Any

import pytest
from codegen import openapi
from codegen.verify import stale


def document(path: str, method: str = "get", **schemas: Any) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    parameters = [{"name": "name", "in": "path"}, {"name": "filter", "in": "query"}]
    item = {"required": ["parent", "job"]}
    return {
        "openapi": "3.1.0",
        "paths": {path: {method: {"parameters": parameters, "requestBody": body}}},
        "components": {"schemas": {"tickwheel.v1.CreateJobRequest": item} | schemas},
    }


def test_one_path_has_one_spelling() -> None:
    merged = openapi.merge(
        [
            document("/v1/users/{name}/jobs/{name_1}"),
            document("/v1/users/{job.name}/jobs/{job.name_1}", "delete"),
            document("/v1/users/{parent}/jobs/{parent_1}/runs:watch"),
            document("/v1/users/{name}/jobs/{name_1}:run", "post"),
        ]
    )
    paths = merged["paths"]
    assert list(paths) == [
        "/v1/users/{user}/jobs/{job}",
        "/v1/users/{user}/jobs/{job}/runs:watch",
        "/v1/users/{user}/jobs/{job}:run",
    ]
    assert set(paths["/v1/users/{user}/jobs/{job}"]) == {"get", "delete"}
    parameters = paths["/v1/users/{user}/jobs/{job}"]["get"]["parameters"]
    assert [(p["name"], p["in"]) for p in parameters] == [
        ("user", "path"),
        ("job", "path"),
        ("filter", "query"),
    ]


def test_a_patch_requires_no_part_of_the_resource() -> None:
    thing = {
        "required": ["inner"],
        "properties": {
            "inner": {"$ref": "#/components/schemas/Inner", "description": "d"},
            "free": {"$ref": "#/components/schemas/Free"},
        },
    }
    inner = {"required": ["topic"], "properties": {"topic": {"type": "string"}}}
    free = {"type": "object"}
    merged = openapi.merge(
        [document("/v1/users/{x}", "patch", Thing=thing, Inner=inner, Free=free)]
    )
    body = merged["paths"]["/v1/users/{user}"]["patch"]["requestBody"]
    found = merged["components"]["schemas"]
    part = found[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert "required" not in part
    assert part["properties"]["inner"]["$ref"] == "#/components/schemas/InnerPatch"
    assert part["properties"]["inner"]["description"] == "d"
    assert part["properties"]["free"]["$ref"] == "#/components/schemas/Free"
    assert "required" not in found["InnerPatch"]
    assert found["Thing"]["required"] == ["inner"]
    assert found["Inner"]["required"] == ["topic"]


def test_a_collection_without_a_name_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="'things'"):
        openapi.merge([document("/v1/things/{name}")])


def test_two_definitions_of_one_thing_are_not_merged() -> None:
    with pytest.raises(ValueError, match="Thing"):
        openapi.merge(
            [document("/v1/users/{a}", Thing={"a": 1}), document("/v1/jobs/{a}", Thing={"a": 2})]
        )


def test_what_is_out_of_date_is_named() -> None:
    fresh = {"a": b"1", "b": b"2", "c": b"3"}
    assert stale({"a": b"1", "b": b"0", "d": b"4"}, fresh) == [
        "b: out of date",
        "c: missing",
        "d: not generated any more",
    ]
    assert stale(fresh, fresh) == []
