package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var elementIndex = regexp.MustCompile(`\[\d+\]`)

// kindOf is what a decoder fills: a message, or as grpc-gateway does with a body that is one field
// of the request, a pointer to where a message goes. Nil for anything else.
func kindOf(target any) protoreflect.MessageDescriptor {
	if message, ok := target.(proto.Message); ok {
		return message.ProtoReflect().Descriptor()
	}
	kind := reflect.TypeOf(target)
	if kind == nil || kind.Kind() != reflect.Pointer || kind.Elem().Kind() != reflect.Pointer {
		return nil
	}
	if message, ok := reflect.New(kind.Elem().Elem()).Interface().(proto.Message); ok {
		return message.ProtoReflect().Descriptor()
	}
	return nil
}

// holderOf is the message that a path such as `schedule.anyOf.schedules[1].evry` has its last name
// in, and that name. Nil where the path leads into a map.
func holderOf(kind protoreflect.MessageDescriptor, path string) (protoreflect.MessageDescriptor, string) {
	names := strings.Split(elementIndex.ReplaceAllString(path, ""), ".")
	last := len(names) - 1
	for _, name := range names[:last] {
		field := fieldOf(kind, name)
		if field == nil || field.IsMap() {
			return nil, ""
		}
		kind = field.Message()
	}
	return kind, names[last]
}

func fieldOf(kind protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if kind == nil {
		return nil
	}
	if field := kind.Fields().ByJSONName(name); field != nil {
		return field
	}
	return kind.Fields().ByTextName(name)
}

// meantField says of a name that a message does not have which one it probably stands for, or which
// ones there are.
func meantField(kind protoreflect.MessageDescriptor, path string) string {
	holder, wrong := holderOf(kind, path)
	if holder == nil || holder.Fields().Len() == 0 {
		return ""
	}
	plain := func(name string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	}
	given := plain(wrong)
	// A third of a name may be wrong, or two letters of a short one that begins well.
	best, least := "", max(1, len(given)/3)+1
	var names []string
	for i := range holder.Fields().Len() {
		name := holder.Fields().Get(i).JSONName()
		names = append(names, name)
		if distance := editDistance(given, plain(name)); distance < least {
			best, least = name, distance
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; there are " + strings.Join(names, ", ")
}

// editDistance is the number of bytes to insert, delete or replace, to make one text of the other.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost = 1 + min(corner, row[j], row[j+1])
			}
			corner, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// wantedType says what a field takes that was given a list or an object.
func wantedType(kind protoreflect.MessageDescriptor, path string) string {
	holder, name := holderOf(kind, path)
	field := fieldOf(holder, name)
	if field == nil {
		return ""
	}
	message := field.Message()
	switch {
	case field.IsMap():
		return "; it takes an object of names and values"
	case field.IsList() && !strings.HasSuffix(path, "]"):
		return "; it takes a list"
	case message == nil || strings.HasPrefix(string(message.FullName()), "google.protobuf."):
		return ""
	case message.Fields().Len() == 1 && message.Fields().Get(0).IsList():
		return fmt.Sprintf(`; it takes an object: {"%s": […]}`, message.Fields().Get(0).JSONName())
	default:
		return "; it takes an object"
	}
}
