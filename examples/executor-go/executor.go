package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

const maxResultBytes = 64 << 10

// Executor executes records and reports what came of them.
type Executor struct {
	Stub   tickwheelv1.ExecutorServiceClient
	Name   string
	Handle func(context.Context, *Run) (any, error)
}

type notRetryable struct{ error }

func (wrapped notRetryable) Unwrap() error { return wrapped.error }

// NotRetryable marks an error that another attempt would not help.
func NotRetryable(err error) error { return notRetryable{err} }

// errCancelled is the cause of a handler's context when the run is to be cancelled, errLost when
// the attempt is no longer this executor's.
var (
	errCancelled = errors.New("the run was cancelled")
	errLost      = errors.New("the attempt is no longer this executor's")
)

// Execute executes records side by side, and returns when nothing remains to be told of any.
func (executor *Executor) Execute(ctx context.Context, records []Record) {
	var all sync.WaitGroup
	for _, record := range records {
		run, err := parse(record)
		if err != nil {
			log.Printf("a record is passed over, it is no run: %v", err)
			continue
		}
		all.Go(func() { executor.execute(ctx, run) })
	}
	all.Wait()
}

func (executor *Executor) execute(ctx context.Context, run *Run) {
	started, err := executor.start(ctx, run)
	switch {
	case isPublishedOnly(err):
		// The run has succeeded by its publication: nobody waits to hear.
		if _, err := executor.call(ctx, run); err != nil {
			log.Printf("%s failed: %v", run.Name, err)
		}
		return
	case err != nil:
		log.Printf("%s is not executed: %v", run.EventID, err)
		return
	}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if started.GetCancelRequested() {
		cancel(errCancelled)
	} else {
		go executor.beat(working, cancel, run, started.GetHeartbeatInterval().AsDuration())
	}
	var result any
	if err = context.Cause(working); err == nil {
		result, err = executor.call(working, run)
	}
	cause := context.Cause(working)
	cancel(nil)
	if errors.Is(cause, errLost) {
		log.Printf("%s was lost while it was executed", run.EventID)
		return
	}
	report := outcome(run, result, err)
	if errors.Is(cause, errCancelled) {
		report.State = tickwheelv1.RunState_RUN_STATE_CANCELLED
	}
	if err := executor.finish(ctx, report, started.GetTimeoutTime().AsTime()); err != nil {
		log.Printf("the outcome of %s was not taken: %v", run.EventID, err)
	}
}

// call calls the handler; a panic is an error like others.
func (executor *Executor) call(ctx context.Context, run *Run) (result any, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
		}
	}()
	return executor.Handle(ctx, run)
}

// beat sends heartbeats until the handler has ended.
func (executor *Executor) beat(
	ctx context.Context, cancel context.CancelCauseFunc, run *Run, interval time.Duration,
) {
	ticker := time.NewTicker(max(interval, 100*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		cancelRequested, err := executor.heartbeat(ctx, run)
		switch {
		case cancelRequested:
			cancel(errCancelled)
		case isFinal(err):
			cancel(errLost)
		case err != nil:
			log.Printf("the heartbeat of %s failed: %v", run.EventID, err)
		}
	}
}

func outcome(run *Run, result any, err error) *tickwheelv1.FinishRun {
	report := &tickwheelv1.FinishRun{Attempt: run.key, State: tickwheelv1.RunState_RUN_STATE_SUCCEEDED}
	if err == nil {
		if report.Result, err = value(result); err == nil {
			return report
		}
	}
	retryable := !errors.As(err, &notRetryable{})
	report.State = tickwheelv1.RunState_RUN_STATE_FAILED
	report.Retryable = &retryable
	report.Error = &tickwheelv1.RunError{Message: err.Error(), Type: fmt.Sprintf("%T", err)}
	return report
}

// value is a result as it is kept: JSON of 64 KiB at most.
func value(result any) (*structpb.Value, error) {
	if result == nil {
		return nil, nil
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, NotRetryable(err)
	}
	if len(text) > maxResultBytes {
		return nil, NotRetryable(fmt.Errorf("the result has %d bytes, more than %d", len(text), maxResultBytes))
	}
	kept := &structpb.Value{}
	if err := kept.UnmarshalJSON(text); err != nil {
		return nil, NotRetryable(err)
	}
	return kept, nil
}
