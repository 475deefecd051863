package main

import (
	"strings"
	"testing"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

func TestWhatWasProbablyMeant(t *testing.T) {
	for body, want := range map[string]string{
		`{"schedule": {"every": "5m"}}`:                            `did you mean "300s"?`,
		`{"schedule": {"every": "1h30m"}}`:                         `did you mean "5400s"?`,
		`{"schedule": {"every": "1500ms"}}`:                        `did you mean "1.5s"?`,
		`{"schedule": {"every": "PT1H"}}`:                          `did you mean "3600s"?`,
		`{"schedule": {"every": "2 days"}}`:                        `did you mean "172800s"?`,
		`{"schedule": {"every": "hourly"}}`:                        `in seconds, such as "300s"`,
		`{"schedule": {"at": "2026-11-23"}}`:                       `such as "2026-11-23T12:00:00Z"`,
		`{"schedule": {"cron": "@daily", "dstGap": "SKIP"}}`:       `did you mean DST_GAP_SKIP?`,
		`{"schedule": {"cron": "@daily", "dstGap": "next valid"}}`: `did you mean DST_GAP_NEXT_VALID?`,
		`{"schedule": {"cron": "@daily", "dstOverlap": "third"}}`:  `it is one of DST_OVERLAP_FIRST, DST_OVERLAP_SECOND, DST_OVERLAP_BOTH`,
		`{"overlapPolicy": "buffer_one"}`:                          `did you mean OVERLAP_BUFFER_ONE?`,
		`{"completion": "REPORTED"}`:                               `did you mean COMPLETION_REPORTED?`,
	} {
		err := newStrictJSON().NewDecoder(strings.NewReader(body)).Decode(&tickwheelv1.Job{})
		if err == nil {
			t.Fatalf("accepted %s", body)
		}
		got, ok := parseMalformed(err.Error())
		if !ok || got.reason != reasonInvalid || !strings.Contains(got.text, want) {
			t.Errorf("%s: got %s %q, want %q", body, got.reason, got.text, want)
		}
	}
}
