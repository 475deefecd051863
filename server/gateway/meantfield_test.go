package main

import (
	"strings"
	"testing"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

func TestWhichFieldWasProbablyMeant(t *testing.T) {
	for body, want := range map[string]string{
		`{"schedule": {"timezone": "UTC"}}`:                            `"schedule.timezone"; did you mean "timeZone"?`,
		`{"schedule": {"Time-Zone": "UTC"}}`:                           `did you mean "timeZone"?`,
		`{"schedule": {"crn": "@daily"}}`:                              `did you mean "cron"?`,
		`{"schedule": {"zone": "UTC"}}`:                                `there are at, cron, every,`,
		`{"scheduel": {}}`:                                             `did you mean "schedule"?`,
		`{"schedule": {"anyOf": {"schedules": [{}, {"evry": "1s"}]}}}`: `did you mean "every"?`,
		`{"schedule": {"anyOf": []}}`:                                  `a list; it takes an object: {"schedules": […]}`,
		`{"schedule": {"excludes": "2026-12-25"}}`:                     `it takes a list`,
		`{"schedule": []}`:                                             `it takes an object`,
		`{"labels": ["a"]}`:                                            `it takes an object of names and values`,
		`{"schedule": {"anyOf": {"schedules": [[]]}}}`:                 `it takes an object`,
	} {
		// A body that is one field of the request is decoded into a pointer to where it goes.
		var job *tickwheelv1.Job
		for _, target := range []any{&tickwheelv1.Job{}, &job} {
			err := newStrictJSON().NewDecoder(strings.NewReader(body)).Decode(target)
			if err == nil {
				t.Fatalf("accepted %s", body)
			}
			if got, ok := parseMalformed(err.Error()); !ok || !strings.Contains(got.text, want) {
				t.Errorf("%s: got %q, want %q", body, got.text, want)
			}
		}
	}
}
