// Answers when a schedule comes due, as Kubernetes' CronJob controller reads it: for each JSON line
// {"schedule", "zone", "after", "until"} on stdin a line {"times": [...]} or {"error": "..."}.
//
// `tests/engine/schedules.py` asks it and keeps the answers.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

type question struct {
	Schedule string `json:"schedule"`
	Zone     string `json:"zone"`
	After    int64  `json:"after"`
	Until    int64  `json:"until"`
}

type answer struct {
	Times []int64 `json:"times"`
	Error string  `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := out.Encode(reply(asked)); err != nil {
			panic(err)
		}
	}
}

func reply(asked question) answer {
	if strings.HasPrefix(asked.Schedule, "TZ=") || strings.HasPrefix(asked.Schedule, "CRON_TZ=") {
		return answer{Error: "refused by pkg/apis/batch/validation"}
	}
	schedule, err := cron.ParseStandard("TZ=" + asked.Zone + " " + asked.Schedule)
	if err != nil {
		return answer{Error: err.Error()}
	}
	times := []int64{}
	at := time.Unix(asked.After, 0).UTC()
	for {
		at = schedule.Next(at)
		if at.IsZero() || at.Unix() > asked.Until {
			return answer{Times: times}
		}
		times = append(times, at.Unix())
	}
}
