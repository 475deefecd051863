package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
)

// strictJSON is the JSON mapping of protobuf, with unknown fields refused and with errors that
// name the field at fault. grpc-gateway's own marshaler drops unknown fields.
type strictJSON struct {
	runtime.JSONPb
}

func newStrictJSON() *strictJSON {
	return &strictJSON{runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{EmitDefaultValues: true},
		UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
	}}
}

// NewDecoder reads the whole body, so that an error can be traced to its place.
func (s *strictJSON) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, err := io.ReadAll(r)
		if err != nil {
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				return malformed{reason: reasonMalformed, text: fmt.Sprintf(
					"the body is larger than %d bytes", tooLarge.Limit)}
			}
			return err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return io.EOF
		}
		if err := s.Unmarshal(body, v); err != nil {
			return explain(body, err)
		}
		return nil
	})
}

const (
	reasonMalformed   = "MALFORMED_REQUEST"
	reasonUnknown     = "UNKNOWN_FIELD"
	reasonConflicting = "CONFLICTING_FIELDS"
	reasonInvalid     = "FIELD_INVALID"
)

// malformed is a body that cannot be read; its text survives the way through grpc-gateway, which
// keeps nothing else of an error, and is parsed again by parseMalformed.
type malformed struct {
	reason string
	field  string
	text   string
}

func (m malformed) Error() string {
	return fmt.Sprintf("%s field=%q %s", m.reason, m.field, m.text)
}

var malformedText = regexp.MustCompile(
	`^(MALFORMED_REQUEST|UNKNOWN_FIELD|CONFLICTING_FIELDS|FIELD_INVALID) field=("(?:[^"\\]|\\.)*") (.*)$`)

func parseMalformed(text string) (malformed, bool) {
	match := malformedText.FindStringSubmatch(text)
	if match == nil {
		return malformed{}, false
	}
	field, err := strconv.Unquote(match[2])
	if err != nil {
		return malformed{}, false
	}
	return malformed{reason: match[1], field: field, text: match[3]}, true
}

// Errors of protojson say where, by line and column, and what.
var protojsonText = regexp.MustCompile(`\(line (\d+):(\d+)\): (.*)$`)

func explain(body []byte, err error) error {
	match := protojsonText.FindStringSubmatch(err.Error())
	if match == nil {
		return malformed{reason: reasonMalformed, text: "the body is not valid JSON: " + err.Error()}
	}
	line, _ := strconv.Atoi(match[1])
	column, _ := strconv.Atoi(match[2])
	field := pathAt(body, offsetOf(body, line, column))
	what := match[3]
	switch {
	case strings.HasPrefix(what, "unknown field"):
		return malformed{reasonUnknown, field, fmt.Sprintf("there is no field %q", field)}
	case strings.Contains(what, "oneof") && strings.Contains(what, "already set"):
		return malformed{reasonConflicting, field, fmt.Sprintf(
			"%q cannot be set beside another field of its kind: exactly one of them may be", field)}
	case strings.HasPrefix(what, "syntax error"), strings.HasPrefix(what, "unexpected token"):
		return malformed{reasonMalformed, field, fmt.Sprintf(
			"the body is not valid JSON at line %d, column %d: %s", line, column, what)}
	default:
		return malformed{reasonInvalid, field, what}
	}
}

// offsetOf turns protojson's line and column, both from 1, into a byte offset.
func offsetOf(body []byte, line, column int) int64 {
	offset := 0
	for ; line > 1; line-- {
		next := bytes.IndexByte(body[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	// Columns count characters.
	rest := body[offset:]
	for i := range string(rest) {
		if column == 1 {
			return int64(offset + i)
		}
		column--
	}
	return int64(len(body))
}

// pathAt names the field whose key or value stands at the offset, such as requests[3].job.schedule.
func pathAt(body []byte, offset int64) string {
	type level struct {
		array bool
		index int
		key   string
		isKey bool
	}
	var levels []level
	path := func() string {
		var b strings.Builder
		for _, l := range levels {
			switch {
			case l.array:
				fmt.Fprintf(&b, "[%d]", l.index)
			case l.key != "" && b.Len() > 0:
				b.WriteString("." + l.key)
			default:
				b.WriteString(l.key)
			}
		}
		return b.String()
	}
	// After a value, the next thing is an element's successor or a key.
	next := func() {
		if n := len(levels); n > 0 {
			levels[n-1].index++
			levels[n-1].isKey = true
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return path()
		}
		top := len(levels) - 1
		isKey := top >= 0 && !levels[top].array && levels[top].isKey
		if key, ok := token.(string); ok && isKey {
			levels[top].key, levels[top].isKey = key, false
			if decoder.InputOffset() > offset {
				return path()
			}
			continue
		}
		if decoder.InputOffset() > offset {
			return path()
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{isKey: true})
		case json.Delim('['):
			levels = append(levels, level{array: true})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
			next()
		default:
			next()
		}
	}
}
