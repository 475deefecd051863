package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// receiver keeps what is pushed by OTLP.
type receiver struct {
	tracepb.UnimplementedTraceServiceServer
	mutex   sync.Mutex
	traces  []*tracepb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
}

func (r *receiver) Export(
	_ context.Context, request *tracepb.ExportTraceServiceRequest,
) (*tracepb.ExportTraceServiceResponse, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.traces = append(r.traces, request)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type metricsReceiver struct {
	metricspb.UnimplementedMetricsServiceServer
	*receiver
}

func (r metricsReceiver) Export(
	_ context.Context, request *metricspb.ExportMetricsServiceRequest,
) (*metricspb.ExportMetricsServiceResponse, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.metrics = append(r.metrics, request)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func receive(t *testing.T) (*receiver, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kept := &receiver{}
	server := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(server, kept)
	metricspb.RegisterMetricsServiceServer(server, metricsReceiver{receiver: kept})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return kept, "http://" + listener.Addr().String()
}

// observed serves REST with telemetry, asks for a few things, and stops.
func observed(t *testing.T, s settings) *telemetry {
	t.Helper()
	seen, err := startTelemetry(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(seen.around(serveTo(t)))
	defer server.Close()
	for _, path := range []string{
		"/v1/users/7/jobs", "/v1/users/8/jobs", "/v1/users/7/jobs/secret-name", "/v1/nothing", "/healthz",
	} {
		request, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		request.Host = "any.host.at.all"
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	return seen
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestRequestsAreMeasuredByRouteAndByNothingThatClientsChoose(t *testing.T) {
	address := freeAddress(t)
	seen := observed(t, settings{metricsAddress: address, metricsRequired: true, otlpEndpoint: ""})
	defer seen.stop()
	text := get(t, "http://"+address+"/metrics")
	found := map[string]string{}
	series := regexp.MustCompile(`(?m)^http_server_request_duration_seconds_count\{(.*)\} (\d+)$`)
	for _, match := range series.FindAllStringSubmatch(text, -1) {
		found[match[1]] = match[2]
	}
	want := map[string]string{
		`http_request_method="GET",http_response_status_code="200",http_route="/v1/{parent=users/*}/jobs"`: "2",
		`http_request_method="GET",http_response_status_code="504",http_route="/v1/{name=users/*/jobs/*}"`: "1",
		`http_request_method="GET",http_response_status_code="404"`:                                        "1",
	}
	for labels, count := range want {
		if found[labels] != count {
			t.Errorf("%s: %q, want %s", labels, found[labels], count)
		}
	}
	if len(found) != len(want) {
		t.Errorf("series: %v", found)
	}
	if other := regexp.MustCompile(`(?m)^(http_server_request_body|http_server_response|rpc_)`).FindString(text); other != "" {
		t.Errorf("%s… is in no document", other)
	}
	if !strings.Contains(text, "process_cpu_seconds_total") {
		t.Error("nothing of the process")
	}
	var about map[string]any
	if err := json.Unmarshal([]byte(get(t, "http://"+address+"/about")), &about); err != nil {
		t.Fatal(err)
	}
	if about["service"] != "tickwheel-gateway" || about["version"] != version {
		t.Errorf("about: %v", about)
	}
}

func TestTheMetricIsListed(t *testing.T) {
	document, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	labels := make([]string, 0, len(requestLabels))
	for _, label := range requestLabels {
		labels = append(labels, "`"+string(label)+"`")
	}
	row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(requestDuration) + "` \\|.* \\| `s` \\| " +
		regexp.QuoteMeta(strings.Join(labels, ", ")+" | "+requestDescription) + " \\|$")
	if !row.Match(document) {
		t.Errorf("no row like %s", row)
	}
}

func TestWhatIsPushedNamesTheProcessAndItsVersion(t *testing.T) {
	kept, endpoint := receive(t)
	seen := observed(t, settings{otlpEndpoint: endpoint, traceRatio: 1})
	seen.stop()
	if len(kept.traces) == 0 || len(kept.metrics) == 0 {
		t.Fatalf("%d of traces, %d of metrics", len(kept.traces), len(kept.metrics))
	}
	for _, attributes := range [][]*commonpb.KeyValue{
		kept.traces[0].GetResourceSpans()[0].GetResource().GetAttributes(),
		kept.metrics[0].GetResourceMetrics()[0].GetResource().GetAttributes(),
	} {
		found := map[string]string{}
		for _, attribute := range attributes {
			found[attribute.GetKey()] = attribute.GetValue().GetStringValue()
		}
		if found["service.name"] != "tickwheel-gateway" || found["service.version"] != version ||
			found["service.instance.id"] == "" {
			t.Errorf("%v", found)
		}
	}
	for _, scope := range kept.metrics[0].GetResourceMetrics()[0].GetScopeMetrics() {
		for _, metric := range scope.GetMetrics() {
			if metric.GetName() != requestDuration {
				t.Errorf("%s is pushed", metric.GetName())
			}
		}
	}
}

func TestSpansOfRequestsAreNamedByRouteAndByNothingThatClientsChoose(t *testing.T) {
	kept, endpoint := receive(t)
	seen, err := startTelemetry(context.Background(), settings{otlpEndpoint: endpoint, traceRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(seen.around(serveTo(t)))
	defer server.Close()
	for _, asked := range [][2]string{
		{http.MethodGet, "/v1/users/7/jobs"}, {http.MethodPost, "/v1/users/7/jobs/secret-name:pause"},
		{http.MethodGet, "/v1/secret-name"}, {"SECRET", "/v1/users/7/jobs"},
	} {
		request, _ := http.NewRequest(asked[0], server.URL+asked[1], nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	seen.stop()
	routes := map[string]string{}
	for _, request := range kept.traces {
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					if span.GetKind() != spanpb.Span_SPAN_KIND_SERVER {
						continue
					}
					routes[span.GetName()] = ""
					for _, attribute := range span.GetAttributes() {
						if attribute.GetKey() == "http.route" {
							routes[span.GetName()] = attribute.GetValue().GetStringValue()
						}
					}
				}
			}
		}
	}
	want := map[string]string{
		"GET /v1/{parent=users/*}/jobs":        "/v1/{parent=users/*}/jobs",
		"POST /v1/{name=users/*/jobs/*}:pause": "/v1/{name=users/*/jobs/*}:pause",
		"GET":                                  "",
		"HTTP":                                 "",
	}
	if !maps.Equal(routes, want) {
		t.Errorf("%v", routes)
	}
}

func TestATakenAddressIsAnErrorWhereItWasAskedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := settings{metricsAddress: listener.Addr().String()}
	if seen, err := startTelemetry(context.Background(), taken); err != nil || seen.meters != nil {
		t.Errorf("%+v, %v", seen, err)
	}
	taken.metricsRequired = true
	if _, err := startTelemetry(context.Background(), taken); err == nil {
		t.Error("it was not missed")
	}
}

func TestADeadReceiverHoldsNobodyUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	seen := observed(t, settings{otlpEndpoint: "http://" + listener.Addr().String(), traceRatio: 1})
	seen.stop()
}

func TestHeadersThatCannotBeReadAreNotTold(t *testing.T) {
	_, endpoint := receive(t)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer hunter2,good=%zzhunter2")
	said := bytes.Join(logged(t, slog.LevelDebug, "console", func() {
		observed(t, settings{otlpEndpoint: endpoint}).stop()
	}), nil)
	if !bytes.Contains(said, []byte("parse headers")) || bytes.Contains(said, []byte("hunter2")) {
		t.Errorf("%s", said)
	}
}

// ticking is an api whose watch goes on until the client has gone.
type ticking struct {
	tickwheelv1.UnimplementedJobServiceServer
}

func (ticking) WatchRuns(
	_ *tickwheelv1.WatchRunsRequest, stream grpc.ServerStreamingServer[tickwheelv1.WatchRunsResponse],
) error {
	if err := stream.Send(&tickwheelv1.WatchRunsResponse{ResumeToken: "first"}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func TestAWatchThatIsObservedIsHeardAtOnce(t *testing.T) {
	_, endpoint := receive(t)
	seen, err := startTelemetry(context.Background(), settings{otlpEndpoint: endpoint, traceRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer seen.stop()
	server := httptest.NewServer(seen.around(serveFrom(t, ticking{})))
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/users/7/jobs/-/runs:watch", nil)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if err != nil || !strings.Contains(line, "first") {
		t.Errorf("%q, %v", line, err)
	}
}
