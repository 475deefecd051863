package main

import (
	"bytes"
	"encoding/json"
	"log"
	"log/slog"
	"testing"
)

func TestJSONLinesAreLikeThoseOfTheOtherParts(t *testing.T) {
	before, flags, writer := slog.Default(), log.Flags(), log.Writer()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetFlags(flags)
		log.SetOutput(writer)
	})
	var out bytes.Buffer
	configureLogs("json", &out)
	slog.Warn("odd", "http", "127.0.0.1:1")
	log.Print("a library's")
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("two lines were logged: %s", out.String())
	}
	for index, want := range []map[string]string{
		{"event": "odd", "level": "warning", "http": "127.0.0.1:1"},
		{"event": "a library's", "level": "info"},
	} {
		var line map[string]string
		if err := json.Unmarshal(lines[index], &line); err != nil {
			t.Fatalf("%s: %v", lines[index], err)
		}
		if line["timestamp"] == "" {
			t.Errorf("%s: no timestamp", lines[index])
		}
		for key, value := range want {
			if line[key] != value {
				t.Errorf("%s: %s is %q, want %q", lines[index], key, line[key], value)
			}
		}
	}
}
