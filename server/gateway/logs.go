package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// configureLogs makes lines like those of the other parts, for people or as JSON, from a level on.
// What libraries say through package log, which has no levels, is taken for a warning: the HTTP
// server tells of handlers that panic that way.
func configureLogs(level slog.Level, format string, to io.Writer) {
	var handler slog.Handler = &consoleHandler{to: to, level: level, mutex: &sync.Mutex{}}
	if format == "json" {
		handler = slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: likeOthers})
	}
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(slog.New(handler))
}

// parseLevel reads one of the levels that all parts know.
func parseLevel(name string) (slog.Level, bool) {
	for level, known := range levelNames {
		if name == known {
			return level, true
		}
	}
	return 0, false
}

var levelNames = map[slog.Level]string{
	slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warning", slog.LevelError: "error",
}

// levelName is the name of a level; of one in between, that of the next one below.
func levelName(level slog.Level) string {
	for _, known := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo} {
		if level >= known {
			return levelNames[known]
		}
	}
	return levelNames[slog.LevelDebug]
}

// likeOthers gives a line the keys that the other parts' have.
func likeOthers(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case slog.TimeKey:
		return slog.Time("timestamp", attr.Value.Time().UTC())
	case slog.LevelKey:
		level, _ := attr.Value.Any().(slog.Level)
		return slog.String("level", levelName(level))
	case slog.MessageKey:
		attr.Key = "event"
	}
	return attr
}

// consoleHandler writes `2026-11-27T14:00:00.123456Z [warning  ] event    key=value`.
type consoleHandler struct {
	to    io.Writer
	level slog.Level
	mutex *sync.Mutex
	// before is what each line has, group the prefix of what follows.
	before, group string
}

func (h *consoleHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level
}

func (h *consoleHandler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%s [%-9s] %-30s", record.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
		levelName(record.Level), oneLine(record.Message))
	line.WriteString(h.before)
	record.Attrs(func(attr slog.Attr) bool {
		line.WriteString(h.pair(attr))
		return true
	})
	h.mutex.Lock()
	defer h.mutex.Unlock()
	_, err := io.WriteString(h.to, strings.TrimRight(line.String(), " ")+"\n")
	return err
}

func (h *consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, attr := range attrs {
		with.before += h.pair(attr)
	}
	return &with
}

func (h *consoleHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}

func (h *consoleHandler) pair(attr slog.Attr) string {
	value := attr.Value.Resolve()
	text := value.String()
	if value.Kind() == slog.KindTime {
		text = value.Time().UTC().Format(time.RFC3339Nano)
	}
	return " " + h.group + attr.Key + "=" + oneLine(text)
}

// oneLine quotes what would not stay on its line; a panic's traceback is told on lines of its own.
func oneLine(text string) string {
	if strings.ContainsAny(text, "\n\r\x1b") && !strings.HasPrefix(text, "http: panic") {
		return strconv.Quote(text)
	}
	return text
}

// discreetHandler passes on what a library says of itself, without what it is about: that may be a
// header with a token, which it could not read.
type discreetHandler struct {
	slog.Handler
}

func (h discreetHandler) Handle(ctx context.Context, record slog.Record) error {
	bare := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(attr slog.Attr) bool {
		if _, ok := attr.Value.Any().(error); ok {
			bare.AddAttrs(attr)
		}
		return true
	})
	return h.Handler.Handle(ctx, bare)
}

func (h discreetHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h discreetHandler) WithGroup(string) slog.Handler { return h }
