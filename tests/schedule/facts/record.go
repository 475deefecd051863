// Asks robfig/cron, which Kubernetes uses, the questions and writes its answers.
//
//	go mod init scratch && go get github.com/robfig/cron/v3   (in a scratch folder)
//	go run record.go questions.json > robfig.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func main() {
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var questions struct {
		Cron []struct {
			Cron  string
			Zone  string
			After int64
		}
	}
	if err := json.Unmarshal(raw, &questions); err != nil {
		panic(err)
	}
	fmt.Println(`{"version": "3.0.1", "answers": [`)
	for i, question := range questions.Cron {
		var answers []int64
		schedule, err := cron.ParseStandard("CRON_TZ=" + question.Zone + " " + question.Cron)
		if err == nil {
			at := time.Unix(question.After, 0)
			for range 4 {
				// A zero time: none within five years.
				if at = schedule.Next(at); at.IsZero() {
					break
				}
				answers = append(answers, at.Unix())
			}
			if answers == nil {
				answers = []int64{}
			}
		}
		line, _ := json.Marshal(answers)
		if i+1 < len(questions.Cron) {
			line = append(line, ',')
		}
		fmt.Println(string(line))
	}
	fmt.Println(`]}`)
}
