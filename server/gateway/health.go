package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// healthTimeout bounds one question to the api.
const healthTimeout = 2 * time.Second

// health asks the api how it is.
type health struct {
	client healthpb.HealthClient
}

func newHealth(conn *grpc.ClientConn) *health {
	return &health{client: healthpb.NewHealthClient(conn)}
}

// state is SERVING when the api takes requests, else what it says or why it cannot be asked.
func (h *health) state(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	response, err := h.client.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return "UNREACHABLE"
	}
	return response.GetStatus().String()
}

// serveHealthz says that the gateway itself lives.
func serveHealthz(w http.ResponseWriter, _ *http.Request) {
	writeState(w, http.StatusOK, "SERVING")
}

// serveReadyz says whether requests can be served: 200, or 503.
func (h *health) serveReadyz(w http.ResponseWriter, r *http.Request) {
	state := h.state(r.Context())
	code := http.StatusOK
	if state != healthpb.HealthCheckResponse_SERVING.String() {
		code = http.StatusServiceUnavailable
	}
	writeState(w, code, state)
}

func writeState(w http.ResponseWriter, code int, state string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": state})
}
