package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// strictQuery reads query parameters into a request, and refuses those that the request does not
// have. grpc-gateway's own parser drops them.
type strictQuery struct {
	runtime.DefaultQueryParser
}

// Parse puts `values` into `msg`; `filter` holds the fields that path and body have filled.
func (q *strictQuery) Parse(msg proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	seen := make(map[string]bool, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path, names, ok := queryField(msg.ProtoReflect().Descriptor(), key)
		if !ok || filter.HasCommonPrefix(path) {
			return malformed{tickwheelv1.ErrorReason_UNKNOWN_FIELD, key,
				fmt.Sprintf("there is no query parameter %q", key)}
		}
		if seen[names] {
			return malformed{tickwheelv1.ErrorReason_CONFLICTING_FIELDS, names,
				fmt.Sprintf("%q is given twice", names)}
		}
		seen[names] = true
		for _, value := range values[key] {
			if !utf8.ValidString(value) {
				return malformed{tickwheelv1.ErrorReason_FIELD_INVALID, names, "is not UTF-8"}
			}
		}
		if err := q.DefaultQueryParser.Parse(msg, url.Values{key: values[key]}, filter); err != nil {
			return malformed{tickwheelv1.ErrorReason_FIELD_INVALID, names, err.Error()}
		}
	}
	return nil
}

// queryField resolves a key such as `update_mask`, `updateMask` or `schedule.cron`: the path of the
// field in the proto, and its name in JSON.
func queryField(kind protoreflect.MessageDescriptor, key string) ([]string, string, bool) {
	var path, names []string
	for _, part := range strings.Split(key, ".") {
		if kind == nil {
			return nil, "", false
		}
		field := kind.Fields().ByTextName(part)
		if field == nil {
			field = kind.Fields().ByJSONName(part)
		}
		if field == nil {
			return nil, "", false
		}
		path, names = append(path, string(field.Name())), append(names, field.JSONName())
		kind = nil
		if !field.IsList() && !field.IsMap() {
			kind = field.Message()
		}
	}
	return path, strings.Join(names, "."), true
}

// refuseStrayQuery refuses query parameters where grpc-gateway does not look at them at all: where
// the body is the whole request, which is so for the methods with a verb (`:pause`).
func refuseStrayQuery(mux *runtime.ServeMux, next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		pattern, ok := runtime.HTTPPattern(r.Context())
		if ok && r.Method == http.MethodPost && pattern.Verb() != "" {
			for _, key := range slices.Sorted(maps.Keys(r.URL.Query())) {
				_, marshaler := runtime.MarshalerForRequest(mux, r)
				err := malformed{tickwheelv1.ErrorReason_UNKNOWN_FIELD, key, fmt.Sprintf(
					"there is no query parameter %q: all fields of this request are in its body", key)}
				writeError(r.Context(), mux, marshaler, w, r, err.status().Err())
				return
			}
		}
		next(w, r, params)
	}
}
