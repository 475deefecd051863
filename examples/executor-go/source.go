package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// How many records are worked on at once, at most.
const portion = 16

// Source is a log, read by a group. What is not finished is handed out again.
type Source interface {
	// Take waits for records, and takes at most a portion of them.
	Take(context.Context) ([]Record, error)
	// Finished says that none of the group needs to see these again.
	Finished(context.Context, []Record) error
	Close()
}

// open asks the api whether it has a log of its own; where it has none the log is Kafka.
func open(
	ctx context.Context, stub tickwheelv1.ExecutorServiceClient, brokers, topic, group string,
) (Source, error) {
	nothing := &tickwheelv1.PullRecordsRequest{Topic: topic, Group: group, Max: proto.Int32(0)}
	_, err := stub.PullRecords(ctx, nothing, grpc.WaitForReady(true))
	switch {
	case err == nil:
		return &embedded{stub: stub, topic: topic, group: group}, nil
	case status.Code(err) != codes.Unimplemented:
		return nil, err
	case brokers == "":
		return nil, errors.New("the log is Kafka: name its brokers by --kafka-bootstrap")
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		// A group that was never seen must not miss what is there already.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// The group is shared out anew only between two portions.
		kgo.BlockRebalanceOnPoll(),
		kgo.RebalanceTimeout(5*time.Minute),
	)
	if err != nil {
		return nil, err
	}
	return &kafka{client}, nil
}

type kafka struct{ client *kgo.Client }

func (source *kafka) Take(ctx context.Context) ([]Record, error) {
	fetches := source.client.PollRecords(ctx, portion)
	if err := fetches.Err(); err != nil {
		return nil, err
	}
	var records []Record
	fetches.EachRecord(func(record *kgo.Record) {
		headers := map[string]string{}
		for _, header := range record.Headers {
			if _, seen := headers[header.Key]; !seen {
				headers[header.Key] = string(header.Value)
			}
		}
		records = append(records, Record{Headers: headers, Value: record.Value, origin: record})
	})
	return records, nil
}

func (source *kafka) Finished(ctx context.Context, records []Record) error {
	taken := make([]*kgo.Record, 0, len(records))
	for _, record := range records {
		taken = append(taken, record.origin.(*kgo.Record))
	}
	err := source.client.CommitRecords(ctx, taken...)
	source.client.AllowRebalance()
	return err
}

func (source *kafka) Close() { source.client.CloseAllowingRebalance() }

type embedded struct {
	stub         tickwheelv1.ExecutorServiceClient
	topic, group string
}

func (source *embedded) Take(ctx context.Context) ([]Record, error) {
	for {
		// Without a consumer's name each call is a member of its own, whose records are handed out
		// again after its session: longer than a run takes.
		response, err := source.stub.PullRecords(ctx, &tickwheelv1.PullRecordsRequest{
			Topic:          source.topic,
			Group:          source.group,
			Max:            proto.Int32(portion),
			Wait:           durationpb.New(20 * time.Second),
			SessionTimeout: durationpb.New(5 * time.Minute),
		}, grpc.WaitForReady(true))
		if status.Code(err) == codes.Unavailable {
			continue
		}
		if err != nil {
			return nil, err
		}
		var records []Record
		for _, record := range response.GetRecords() {
			headers := map[string]string{}
			for _, header := range record.GetHeaders() {
				if _, seen := headers[header.GetKey()]; !seen {
					headers[header.GetKey()] = string(header.GetValue())
				}
			}
			records = append(records, Record{Headers: headers, Value: record.GetValue(), origin: record})
		}
		if len(records) > 0 {
			return records, nil
		}
	}
}

func (source *embedded) Finished(ctx context.Context, records []Record) error {
	request := &tickwheelv1.AckRecordsRequest{Topic: source.topic, Group: source.group}
	for _, record := range records {
		origin := record.origin.(*tickwheelv1.Record)
		request.Records = append(request.Records, &tickwheelv1.RecordPosition{
			Partition: origin.GetPartition(), Offset: origin.GetOffset(),
		})
	}
	_, err := source.stub.AckRecords(ctx, request, grpc.WaitForReady(true))
	return err
}

func (source *embedded) Close() {}
