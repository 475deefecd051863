package main

import (
	"strings"
	"testing"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

func TestBodiesThatCannotBeReadNameTheField(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		reason tickwheelv1.ErrorReason
		field  string
	}{
		"unknown at the top":    {`{"scheduel": {}}`, reasonUnknown, "scheduel"},
		"unknown inside":        {`{"labels": {"a": "b"}, "schedule": {"cron": "* * * * *", "zone": "UTC"}}`, reasonUnknown, "schedule.zone"},
		"two schedules":         {`{"schedule": {"cron": "* * * * *", "every": "60s"}}`, reasonConflicting, "schedule.every"},
		"inside a list":         {`{"schedule": {"anyOf": {"schedules": [{"every": "1s"}, {"evry": "1s"}]}}}`, reasonUnknown, "schedule.anyOf.schedules[1].evry"},
		"wrong type":            {`{"priority": "high"}`, reasonInvalid, "priority"},
		"wrong duration":        {`{"schedule": {"every": "1 hour"}}`, reasonInvalid, "schedule.every"},
		"over several lines":    {"{\n  \"target\": {\n    \"topik\": \"t\"}}", reasonUnknown, "target.topik"},
		"text before the fault": {`{"description": "é日本", "nope": 1}`, reasonUnknown, "nope"},
		"not JSON":              {`{"schedule": `, reasonMalformed, ""},
		"more behind it":        {`{"description": "a"} {"description": "b"}`, reasonMalformed, ""},
		"not an object":         {`["a"]`, reasonMalformed, ""},
		"text for an object":    {`{"target": "topic"}`, reasonInvalid, "target"},
		"a list for a map":      {`{"labels": ["a"]}`, reasonInvalid, "labels"},
		"not UTF-8":             {"{\"description\": \"\xff\"}", reasonInvalid, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newStrictJSON().NewDecoder(strings.NewReader(c.body)).Decode(&tickwheelv1.Job{})
			if err == nil {
				t.Fatalf("accepted %s", c.body)
			}
			got, ok := parseMalformed(err.Error())
			if !ok {
				t.Fatalf("not explained: %v", err)
			}
			if got.reason != c.reason || got.field != c.field {
				t.Errorf("got %s at %q (%s), want %s at %q", got.reason, got.field, got.text, c.reason, c.field)
			}
		})
	}
}

func TestAnEmptyBodyIsLeftToTheApi(t *testing.T) {
	err := newStrictJSON().NewDecoder(strings.NewReader("  ")).Decode(&tickwheelv1.Job{})
	if err == nil || err.Error() != "EOF" {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestWhereABodyIsNotJSON(t *testing.T) {
	err := newStrictJSON().NewDecoder(strings.NewReader("{\n  \"a\": é}")).Decode(&tickwheelv1.Job{})
	if got, _ := parseMalformed(err.Error()); !strings.Contains(got.text, "line 2, column 8") {
		t.Errorf("got %q", got.text)
	}
}
