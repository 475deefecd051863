package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var (
	badMessage = regexp.MustCompile(`^invalid google\.protobuf\.(Duration|Timestamp) value (".*")$`)
	badEnum    = regexp.MustCompile(`^invalid value for enum field (\w+): (".*")$`)
	inDays     = regexp.MustCompile(`^(\d{1,6}) ?(d|days?)$`)
	hump       = regexp.MustCompile(`[A-Z]`)
)

// meant says, behind what protojson says of a value, how it is written or what was probably meant.
func meant(what string) string {
	if match := badMessage.FindStringSubmatch(what); match != nil {
		value, _ := strconv.Unquote(match[2])
		if match[1] == "Timestamp" {
			return `; an instant is written in full and with its offset, such as "2026-11-23T12:00:00Z"`
		}
		if seconds, ok := inSeconds(value); ok {
			return fmt.Sprintf("; a duration is written in seconds, did you mean %q?", seconds)
		}
		return `; a duration is written in seconds, such as "300s"`
	}
	if match := badEnum.FindStringSubmatch(what); match != nil {
		value, _ := strconv.Unquote(match[2])
		return meantEnum(match[1], value)
	}
	return ""
}

// inSeconds reads 5m, 1h30m, 2 days, PT1H as durations of the contract.
func inSeconds(text string) (string, bool) {
	text = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(text), "PT"))
	if match := inDays.FindStringSubmatch(text); match != nil {
		days, _ := strconv.Atoi(match[1])
		return fmt.Sprintf("%ds", days*86400), true
	}
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		return "", false
	}
	return strconv.FormatFloat(length.Seconds(), 'f', -1, 64) + "s", true
}

// meantEnum names the one value of the field's enum that ends like what was given, or all of them.
func meantEnum(field, value string) string {
	prefix := strings.ToUpper(hump.ReplaceAllString(field, "_$0"))
	var names []string
	protoregistry.GlobalTypes.RangeEnums(func(enum protoreflect.EnumType) bool {
		descriptor := enum.Descriptor()
		if !strings.HasPrefix(string(descriptor.FullName()), "tickwheel.v1.") {
			return true
		}
		values := descriptor.Values()
		first := strings.TrimSuffix(string(values.Get(0).Name()), "_UNSPECIFIED")
		// OVERLAP for overlapPolicy, DST_GAP for dstGap.
		if prefix != first && !strings.HasPrefix(prefix, first+"_") {
			return true
		}
		for i := 1; i < values.Len(); i++ {
			names = append(names, string(values.Get(i).Name()))
		}
		return false
	})
	wanted := "_" + strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(value))
	for _, name := range names {
		if strings.HasSuffix("_"+name, wanted) {
			return fmt.Sprintf("; did you mean %s?", name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; it is one of " + strings.Join(names, ", ")
}
