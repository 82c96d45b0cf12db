// aws-sdk-go-v2: PutRecords of 500, 8 in flight, failed entries sent again. `peer '{"url": …, "quotes": …}'`.
//
// Prints `ready`, then one line of JSON, as driver.py does. The quotes are made before the clock starts.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	symbols    = 1000
	quoteBytes = 300
	entriesMax = 500
	inFlight   = 8
)

type job struct {
	URL    string `json:"url"`
	Quotes int    `json:"quotes"`
	Stream string `json:"stream"`
}

type quote struct {
	symbol string
	data   []byte
}

func makeQuotes(count int) ([]quote, map[string]int) {
	made := map[string]int{}
	quotes := make([]quote, count)
	for i := range quotes {
		symbol := fmt.Sprintf("S%04d", i%symbols)
		head := fmt.Sprintf(`{"seq":%010d,"symbol":"%s","price":100.25,"volume":1,"pad":"`, made[symbol], symbol)
		made[symbol]++
		quotes[i] = quote{symbol, []byte(head + strings.Repeat("x", quoteBytes-2-len(head)) + `"}`)}
	}
	return quotes, made
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func put(client *kinesis.Client, stream string, entries []types.PutRecordsRequestEntry) {
	for len(entries) > 0 {
		answer, err := client.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: &stream, Records: entries})
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if *answer.FailedRecordCount == 0 {
			return
		}
		failed := entries[:0:0]
		for i, result := range answer.Records {
			if result.ErrorCode != nil {
				failed = append(failed, entries[i])
			}
		}
		entries = failed
		time.Sleep(100 * time.Millisecond)
	}
}

func main() {
	var asked job
	if err := json.Unmarshal([]byte(os.Args[1]), &asked); err != nil {
		panic(err)
	}
	client := kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: &asked.URL,
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("test", "test", "")),
	})
	quotes, made := makeQuotes(asked.Quotes)
	fmt.Println("ready")
	began, cpu := time.Now(), cpuSeconds()
	slots := make(chan struct{}, inFlight)
	var calls sync.WaitGroup
	for start := 0; start < len(quotes); start += entriesMax {
		batch := quotes[start:min(start+entriesMax, len(quotes))]
		entries := make([]types.PutRecordsRequestEntry, len(batch))
		for i := range batch {
			entries[i] = types.PutRecordsRequestEntry{PartitionKey: &batch[i].symbol, Data: batch[i].data}
		}
		slots <- struct{}{}
		calls.Add(1)
		go func() {
			defer calls.Done()
			put(client, asked.Stream, entries)
			<-slots
		}()
	}
	calls.Wait()
	result := map[string]any{"cpu_seconds": cpuSeconds() - cpu, "seconds": time.Since(began).Seconds(), "made": made}
	_ = json.NewEncoder(os.Stdout).Encode(result)
}
