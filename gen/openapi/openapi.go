// Package openapi carries the OpenAPI document of the REST API.
package openapi

import _ "embed"

// Document is the OpenAPI document, in JSON.
//
//go:embed tickwheel.openapi.json
var Document []byte
