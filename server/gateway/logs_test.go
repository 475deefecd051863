package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"regexp"
	"testing"
)

// logged is what is said from a level on, in a form.
func logged(t *testing.T, level slog.Level, format string, say func()) [][]byte {
	t.Helper()
	before, flags, writer := slog.Default(), log.Flags(), log.Writer()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetFlags(flags)
		log.SetOutput(writer)
	})
	var out bytes.Buffer
	configureLogs(level, format, &out)
	say()
	if out.Len() == 0 {
		return nil
	}
	return bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
}

func sayAll() {
	slog.Debug("small", "n", 1)
	slog.Info("as usual")
	slog.Warn("odd", "http", "127.0.0.1:1")
	slog.Error("gateway failed", "error", errors.New("no\nsuch host"))
	log.Print("a library's")
}

func TestJSONLinesAreLikeThoseOfTheOtherParts(t *testing.T) {
	lines := logged(t, slog.LevelWarn, "json", sayAll)
	if len(lines) != 3 {
		t.Fatalf("three lines were logged: %q", lines)
	}
	for index, want := range []map[string]string{
		{"event": "odd", "level": "warning", "http": "127.0.0.1:1"},
		{"event": "gateway failed", "level": "error", "error": "no\nsuch host"},
		{"event": "a library's", "level": "warning"},
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

func TestConsoleLinesAreLikeThoseOfTheOtherParts(t *testing.T) {
	lines := logged(t, slog.LevelDebug, "console", func() {
		sayAll()
		slog.With("a", "b").WithGroup("g").Warn("grouped", "c", "d")
	})
	for index, want := range []string{
		`\[debug    \] small +n=1`,
		`\[info     \] as usual`,
		`\[warning  \] odd +http=127.0.0.1:1`,
		`\[error    \] gateway failed +error="no\\nsuch host"`,
		`\[warning  \] a library's`,
		`\[warning  \] grouped +a=b g\.c=d`,
	} {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT[\d:.]+Z ` + want + `$`).Match(lines[index]) {
			t.Errorf("%q is not like %s", lines[index], want)
		}
	}
}

func TestNothingBelowTheLevelIsLogged(t *testing.T) {
	for level, name := range levelNames {
		if read, ok := parseLevel(name); !ok || read != level {
			t.Errorf("%s is read as %v", name, read)
		}
		for _, format := range []string{"console", "json"} {
			lines := logged(t, level, format, sayAll)
			want := map[string]int{"debug": 5, "info": 4, "warning": 3, "error": 1}[name]
			if len(lines) != want {
				t.Errorf("%s, %s: %q", format, name, lines)
			}
		}
	}
	if _, ok := parseLevel("loud"); ok {
		t.Error("loud is a level")
	}
}
