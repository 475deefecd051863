package main

import (
	"fmt"
	"strconv"
	"strings"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// Record is a record of either log.
type Record struct {
	Headers map[string]string
	Value   []byte
	// The source's own, to acknowledge it by.
	origin any
}

// Run is one attempt of a run, as its record names it.
type Run struct {
	// users/{user}/jobs/{job}/runs/{run}
	Name    string
	Attempt int32
	// The same for a duplicate of the record.
	EventID string
	Headers map[string]string
	Payload []byte
	key     *tickwheelv1.RunAttempt
}

// parse reads the headers of a record; an error says that the record is none of Tickwheel's.
func parse(record Record) (*Run, error) {
	id := record.Headers["ce_id"]
	parts := strings.Split(id, "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("header ce_id is %q, not <job uid>/<run id>/<attempt>", id)
	}
	attempt, err := strconv.ParseInt(record.Headers["ce_attempt"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("header ce_attempt: %w", err)
	}
	fence, err := strconv.ParseInt(record.Headers["ce_fence"], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("header ce_fence: %w", err)
	}
	name := record.Headers["ce_source"] + "/runs/" + parts[1]
	return &Run{
		Name:    name,
		Attempt: int32(attempt),
		EventID: id,
		Headers: record.Headers,
		Payload: record.Value,
		key: &tickwheelv1.RunAttempt{
			Run: name, JobUid: parts[0], Attempt: int32(attempt), Fence: fence,
		},
	}, nil
}
