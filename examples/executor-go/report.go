package main

import (
	"context"
	"log"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// An outcome is reported until this long after the attempt's time is over: clocks differ.
const late = 30 * time.Second

// Each call here is about one run, for the sake of simplicity. Each of the three methods takes up
// to 1,000 at once, and an executor of many short runs should gather them.

func (executor *Executor) start(ctx context.Context, run *Run) (*tickwheelv1.StartRunResult, error) {
	request := &tickwheelv1.StartRunsRequest{
		Runs: []*tickwheelv1.StartRun{{Attempt: run.key}}, Executor: executor.Name,
	}
	var result *tickwheelv1.StartRunResult
	err := untilAnswered(ctx, time.Time{}, func() error {
		response, err := executor.Stub.StartRuns(ctx, request, grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		result = response.GetResults()[0]
		return refusal(result.GetError())
	})
	return result, err
}

func (executor *Executor) heartbeat(ctx context.Context, run *Run) (cancelRequested bool, err error) {
	response, err := executor.Stub.HeartbeatRuns(ctx, &tickwheelv1.HeartbeatRunsRequest{
		Runs: []*tickwheelv1.HeartbeatRun{{Attempt: run.key}}, Executor: executor.Name,
	})
	if err != nil {
		return false, err
	}
	result := response.GetResults()[0]
	return result.GetCancelRequested(), refusal(result.GetError())
}

func (executor *Executor) finish(ctx context.Context, report *tickwheelv1.FinishRun, deadline time.Time) error {
	request := &tickwheelv1.FinishRunsRequest{
		Runs: []*tickwheelv1.FinishRun{report}, Executor: executor.Name,
	}
	return untilAnswered(ctx, deadline.Add(late), func() error {
		response, err := executor.Stub.FinishRuns(ctx, request)
		if err != nil {
			return err
		}
		return refusal(response.GetResults()[0].GetError())
	})
}

// untilAnswered repeats a report, which changes nothing when it is made twice, until it is accepted
// or refused for good, or the time is over (zero: never).
func untilAnswered(ctx context.Context, deadline time.Time, report func() error) error {
	wait := 100 * time.Millisecond
	for {
		err := report()
		if err == nil || isFinal(err) || ctx.Err() != nil {
			return err
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			return err
		}
		wait = min(2*wait, 5*time.Second)
		pause := wait
		if asked, ok := retryInfo(err); ok {
			pause = asked
		}
		log.Printf("a report is repeated in %s: %v", pause, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func refusal(found *statuspb.Status) error {
	if found == nil {
		return nil
	}
	return status.ErrorProto(found)
}

// isFinal tells whether another try cannot change the answer.
func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition:
		return true
	}
	return false
}

// isPublishedOnly tells whether a start was refused because the run needs no report: its job is
// COMPLETION_PUBLISHED.
func isPublishedOnly(err error) bool {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()["completion"] == "COMPLETION_PUBLISHED"
		}
	}
	return false
}

func retryInfo(err error) (time.Duration, bool) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}
