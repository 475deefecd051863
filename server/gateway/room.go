package main

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// overloadDelay is how long a client should wait before it comes again, as the api tells.
const overloadDelay = 2 * time.Second

// smallAnswer is as much as a connection's buffers take anyhow.
const smallAnswer = 64 << 10

// room bounds what requests in progress hold in memory, and for how long: who sends or reads slowly
// must not keep it from others.
type room struct {
	// most is how many bytes bodies and answers may have at once. One request is taken whatever
	// its size.
	most int64
	// patience is for how long a body is waited for, or for an answer to be taken, beside a second
	// for each pace bytes of it.
	patience time.Duration
	pace     int64

	held atomic.Int64
}

// newRoom takes as much at once as the api does.
func newRoom() *room {
	return &room{most: 128 << 20, patience: 30 * time.Second, pace: 64 << 10}
}

// take makes room for so many bytes; `give` has to follow where there is.
func (r *room) take(size int64) bool {
	if held := r.held.Add(size); held <= r.most || held == size {
		return true
	}
	r.held.Add(-size)
	return false
}

func (r *room) give(size int64) {
	r.held.Add(-size)
}

// overloaded is told to who comes on top of it: RESOURCE_EXHAUSTED with RetryInfo, as by the api.
func overloaded() *status.Status {
	s := info(status.New(codes.ResourceExhausted,
		"too much is in progress here; come again"), reasonOverloaded)
	return add(s, &errdetails.RetryInfo{RetryDelay: durationpb.New(overloadDelay)})
}

func (r *room) deadline(size int64) time.Time {
	return time.Now().Add(r.patience + time.Duration(size/r.pace)*time.Second)
}

// body makes room for the body of a request as far as its length is known; of one that is not, as
// it comes. False where there is none; `end` is to be called when the request is over.
func (r *room) body(w http.ResponseWriter, request *http.Request) (end func(), ok bool) {
	size := min(request.ContentLength, maxMessage)
	if size != 0 {
		// net/http ends it once the body has been read: the call may take longer.
		_ = http.NewResponseController(w).SetReadDeadline(r.deadline(max(size, 0)))
	}
	if size >= 0 {
		return func() { r.give(size) }, r.take(size)
	}
	counted := &countedBody{ReadCloser: request.Body, room: r}
	request.Body = counted
	return func() { r.give(counted.size) }, r.take(0)
}

// countedBody is a body of unknown length.
type countedBody struct {
	io.ReadCloser
	room *room
	size int64
}

func (b *countedBody) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	b.size += int64(n)
	if held := b.room.held.Add(int64(n)); held > b.room.most && held != b.size {
		return n, malformed{reason: reasonOverloaded}
	}
	return n, err
}

// timedAnswer is an answer that has to be taken in time, and counts until it was. What is small, as
// most that a watch tells, may wait for its reader.
type timedAnswer struct {
	http.ResponseWriter
	room *room
}

func (a *timedAnswer) Write(data []byte) (int, error) {
	size := int64(len(data))
	a.room.held.Add(size)
	defer a.room.give(size)
	var until time.Time
	if size > smallAnswer {
		until = a.room.deadline(size)
	}
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(until)
	return a.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController flush.
func (a *timedAnswer) Unwrap() http.ResponseWriter {
	return a.ResponseWriter
}
