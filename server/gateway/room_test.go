package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// busy is an api whose pauses take until they are let go, and whose lists are large.
type busy struct {
	jobs
	begun, goOn chan struct{}
}

func (b busy) PauseJob(context.Context, *tickwheelv1.PauseJobRequest) (*tickwheelv1.Job, error) {
	b.begun <- struct{}{}
	<-b.goOn
	return &tickwheelv1.Job{}, nil
}

func (busy) ListJobs(context.Context, *tickwheelv1.ListJobsRequest) (*tickwheelv1.ListJobsResponse, error) {
	return &tickwheelv1.ListJobsResponse{NextPageToken: strings.Repeat("x", 15<<20)}, nil
}

func pause(t *testing.T, url string) *http.Response {
	t.Helper()
	return pauseWith(t, url, strings.NewReader(`{"reason": "`+strings.Repeat("x", 60)+`"}`))
}

func pauseWith(t *testing.T, url string, body io.Reader) *http.Response {
	t.Helper()
	response, err := http.Post(url+"/v1/users/7/jobs/a:pause", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestMoreThanThereIsRoomForIsToldToComeAgain(t *testing.T) {
	api := busy{begun: make(chan struct{}), goOn: make(chan struct{})}
	within := newRoom()
	within.most = 100
	server := httptest.NewServer(serveWithin(t, api, within))
	t.Cleanup(server.Close)
	first := make(chan int)
	go func() { first <- pause(t, server.URL).StatusCode }()
	<-api.begun

	unknown := io.MultiReader(strings.NewReader(`{"reason": "` + strings.Repeat("x", 60) + `"}`))
	for name, refused := range map[string]*http.Response{
		"known": pause(t, server.URL), "unknown": pauseWith(t, server.URL, unknown),
	} {
		var got answer
		if json.NewDecoder(refused.Body).Decode(&got) != nil || refused.StatusCode != 429 || got.Code != 8 {
			t.Errorf("%s length: got %d %+v", name, refused.StatusCode, got)
		}
		if len(got.Details) != 2 || got.Details[0].Reason != "OVERLOADED" || refused.Header.Get("Retry-After") != "2" {
			t.Errorf("%s length: got %+v %v", name, got, refused.Header)
		}
	}
	close(api.goOn)
	if code := <-first; code != 200 {
		t.Errorf("what was taken got %d", code)
	}
	go func() { <-api.begun }()
	if code := pause(t, server.URL).StatusCode; code != 200 {
		t.Errorf("what came again got %d", code)
	}
	waitForRoom(t, within, false)
}

// waitForRoom waits until something is held, or nothing any more.
func waitForRoom(t *testing.T, within *room, held bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); (within.held.Load() > 0) != held; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("held: %d", within.held.Load())
		}
	}
}

// dial begins a request by hand.
func dial(t *testing.T, handler http.Handler, head string) net.Conn {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	if _, err := fmt.Fprintf(conn, "%s\r\nHost: a\r\nContent-Type: application/json\r\n\r\n", head); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestABodyThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	within := newRoom()
	within.patience = 50 * time.Millisecond
	conn := dial(t, serveWithin(t, jobs{}, within),
		"POST /v1/users/7/jobs/a:pause HTTP/1.1\r\nContent-Length: 100")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))

	var got strings.Builder
	data := make([]byte, 4096)
	for !strings.Contains(got.String(), "did not come in time") {
		n, err := conn.Read(data)
		if err != nil {
			t.Fatalf("got %q: %v", got.String(), err)
		}
		got.Write(data[:n])
	}
	if !strings.HasPrefix(got.String(), "HTTP/1.1 400 ") {
		t.Errorf("got %q", got.String())
	}
}

func TestACallThatTakesLongerThanItsBodyMayGoesOn(t *testing.T) {
	api := busy{begun: make(chan struct{}), goOn: make(chan struct{})}
	within := newRoom()
	within.patience = 50 * time.Millisecond
	server := httptest.NewServer(serveWithin(t, api, within))
	t.Cleanup(server.Close)
	go func() {
		<-api.begun
		time.Sleep(4 * within.patience)
		close(api.goOn)
	}()

	if code := pause(t, server.URL).StatusCode; code != 200 {
		t.Errorf("got %d", code)
	}
}

func TestAnAnswerThatIsNotReadIsDropped(t *testing.T) {
	within := newRoom()
	within.patience, within.pace = 50*time.Millisecond, 1<<40
	dial(t, serveWithin(t, busy{}, within), "GET /v1/users/7/jobs HTTP/1.1")

	waitForRoom(t, within, true)
	waitForRoom(t, within, false)
}
