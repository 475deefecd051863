package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
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
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return malformed{reason: reasonMalformed, text: "the body did not come in time"}
			}
			return err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return io.EOF
		}
		// Also because protojson stops behind the first value, whatever follows it.
		if err := checkJSON(body); err != nil {
			return err
		}
		if err := s.Unmarshal(body, v); err != nil {
			return explain(body, kindOf(v), err)
		}
		return nil
	})
}

const (
	reasonMalformed   = tickwheelv1.ErrorReason_MALFORMED_REQUEST
	reasonUnknown     = tickwheelv1.ErrorReason_UNKNOWN_FIELD
	reasonConflicting = tickwheelv1.ErrorReason_CONFLICTING_FIELDS
	reasonInvalid     = tickwheelv1.ErrorReason_FIELD_INVALID
	reasonOverloaded  = tickwheelv1.ErrorReason_OVERLOADED
)

// malformed is a request that cannot be read; its text survives the way through grpc-gateway, which
// keeps nothing else of an error, and is parsed again by parseMalformed.
type malformed struct {
	reason tickwheelv1.ErrorReason
	field  string
	text   string
}

func (m malformed) Error() string {
	return fmt.Sprintf("%s field=%q %s", m.reason, m.field, m.text)
}

func (m malformed) status() *status.Status {
	return status.New(codes.InvalidArgument, m.Error())
}

var malformedText = regexp.MustCompile(
	`^([A-Z_]+) field=("(?:[^"\\]|\\.)*") ((?s:.*))$`)

func parseMalformed(text string) (malformed, bool) {
	match := malformedText.FindStringSubmatch(text)
	if match == nil {
		return malformed{}, false
	}
	field, err := strconv.Unquote(match[2])
	if err != nil {
		return malformed{}, false
	}
	reason, ok := tickwheelv1.ErrorReason_value[match[1]]
	if !ok {
		return malformed{}, false
	}
	return malformed{tickwheelv1.ErrorReason(reason), field, match[3]}, true
}

// checkJSON says where a body is not JSON.
func checkJSON(body []byte) error {
	if json.Valid(body) {
		return nil
	}
	var value any
	err := json.Unmarshal(body, &value)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return malformed{reason: reasonMalformed, text: fmt.Sprintf("the body is not valid JSON: %v", err)}
	}
	before := body[:min(int(syntax.Offset), len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return malformed{reason: reasonMalformed, text: fmt.Sprintf(
		"the body is not valid JSON at line %d, column %d: %v", line, max(column, 1), syntax)}
}

// Errors of protojson say where, by line and column, and what.
var protojsonText = regexp.MustCompile(`\(line (\d+):(\d+)\): (.*)$`)

func explain(body []byte, kind protoreflect.MessageDescriptor, err error) error {
	match := protojsonText.FindStringSubmatch(err.Error())
	if match == nil {
		return malformed{reason: reasonMalformed, text: "the body cannot be read: " + err.Error()}
	}
	line, _ := strconv.Atoi(match[1])
	column, _ := strconv.Atoi(match[2])
	field := pathAt(body, offsetOf(body, line, column))
	what := match[3]
	switch {
	case strings.HasPrefix(what, "unknown field"):
		return malformed{reasonUnknown, field, fmt.Sprintf("there is no field %q%s",
			field, meantField(kind, field))}
	case strings.Contains(what, "oneof") && strings.Contains(what, "already set"):
		return malformed{reasonConflicting, field, fmt.Sprintf(
			"%q cannot be set beside another field of its kind: exactly one of them may be", field)}
	case strings.HasPrefix(what, "syntax error"):
		return malformed{reasonMalformed, field, fmt.Sprintf(
			"the body is not valid JSON at line %d, column %d: %s", line, column, what)}
	case strings.HasPrefix(what, "unexpected token"):
		if field == "" {
			return malformed{reasonMalformed, field, "the body has to be a JSON object"}
		}
		return malformed{reasonInvalid, field, fmt.Sprintf("%q has a value of the wrong type: %s%s",
			field, spokenToken(what), wantedType(kind, field))}
	default:
		return malformed{reasonInvalid, field, what + meant(what)}
	}
}

// spokenToken names what protojson did not expect: of a list or an object it has the bracket alone.
func spokenToken(what string) string {
	switch token := strings.TrimPrefix(what, "unexpected token "); token {
	case "[":
		return "a list"
	case "{":
		return "an object"
	default:
		return token
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
