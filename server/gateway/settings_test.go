package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parse(args []string, environment map[string]string) (settings, error) {
	return parseSettings(args, func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	s, err := parse([]string{"-log-level=error"}, map[string]string{
		"TICKWHEEL_LOG_LEVEL": "debug", "TICKWHEEL_OTLP_ENDPOINT": "https://otel:4317",
	})
	if err != nil || s.logLevel != slog.LevelError || s.otlpEndpoint != "https://otel:4317" {
		t.Fatalf("%+v, %v", s, err)
	}
	if s.metricsAddress != "127.0.0.1:7490" || s.metricsRequired {
		t.Errorf("metrics at %q, asked for: %v", s.metricsAddress, s.metricsRequired)
	}
	s, err = parse([]string{"-api-address", "127.0.0.1:2"}, map[string]string{"TICKWHEEL_HTTP_ADDRESS": "127.0.0.1:1"})
	if err != nil || s.httpAddress != "127.0.0.1:1" || s.apiAddress != "127.0.0.1:2" {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parse(nil, map[string]string{"TICKWHEEL_METRICS_ADDRESS": ""})
	if err != nil || s.metricsAddress != "" {
		t.Errorf("metrics at %q, %v", s.metricsAddress, err)
	}
	s, err = parse([]string{"-metrics-address=:1"}, nil)
	if err != nil || !s.metricsRequired {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhatIsWrongIsNamedAndNoPasswordIsTold(t *testing.T) {
	for _, each := range []struct{ flag, value string }{
		{"otlp-endpoint", "http://otel:hunter2@collector:4317"},
		{"otlp-endpoint", "otel:hunter2@collector:4317"},
		{"otlp-endpoint", "collector:4317"},
		{"otlp-endpoint", "grpc://collector:4317"},
		{"otlp-endpoint", "http://collector:4317/v1/traces"},
		{"http-address", "nowhere"},
		{"http-address", "http://u:hunter2@host"},
		{"api-address", "hunter2"},
		{"api-address", "hunter2@host:1"},
		{"metrics-address", "hunter2"},
		{"trace-ratio", "NaN"},
		{"trace-ratio", "2"},
		{"log-level", "loud"},
		{"log-format", "xml"},
	} {
		_, err := parse([]string{"-" + each.flag + "=" + each.value}, nil)
		if err == nil || !strings.Contains(err.Error(), each.flag) {
			t.Errorf("%s=%s: %v", each.flag, each.value, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s is told: %v", each.value, err)
		}
	}
	if _, err := parse([]string{"http://u:hunter2@host"}, nil); err == nil ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a stray argument: %v", err)
	}
}

func TestTheHelpRepeatsNothingOfTheEnvironment(t *testing.T) {
	stderr := os.Stderr
	t.Cleanup(func() { os.Stderr = stderr })
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = said
	_, _ = parse([]string{"-help"}, map[string]string{"TICKWHEEL_OTLP_ENDPOINT": "http://u:hunter2@host"})
	text, err := os.ReadFile(said.Name())
	if err != nil || !strings.Contains(string(text), "otlp-endpoint") || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s, %v", text, err)
	}
}
