// Asks Quartz and lib-recur the questions and writes their answers beside them.
//   mvn dependency:copy-dependencies   (in a scratch folder, whose pom.xml names
//     org.quartz-scheduler:quartz:2.3.2, org.dmfs:lib-recur:0.17.1, org.slf4j:slf4j-nop:2.0.16)
//   java -cp 'SCRATCH/*' Record.java FACTS_FOLDER
// The questions are one a line, so that no JSON library is needed.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.TimeZone;
import java.util.regex.Pattern;
import org.dmfs.rfc5545.recur.RecurrenceRule;
import org.quartz.CronExpression;

public class Record {
  interface Question {
    List<Long> ask(String[] values) throws Exception;
  }

  static final int COUNT = 4;

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    String questions = Files.readString(folder.resolve("questions.json"));
    write(folder, "quartz", "2.3.2", questions, "quartz", values -> {
      CronExpression expression = new CronExpression(values[0]);
      expression.setTimeZone(TimeZone.getTimeZone(values[1]));
      Date at = new Date(Long.parseLong(values[2]) * 1000);
      List<Long> found = new ArrayList<>();
      while (found.size() < COUNT && (at = expression.getNextValidTimeAfter(at)) != null) {
        found.add(at.getTime() / 1000);
      }
      return found;
    });
    write(folder, "lib-recur", "0.17.1", questions, "rrule", values -> {
      var times = new RecurrenceRule(values[0])
          .iterator(Long.parseLong(values[1]) * 1000, TimeZone.getTimeZone("UTC"));
      List<Long> found = new ArrayList<>();
      // One more: it gives DTSTART first, wanted by the rule or not.
      while (found.size() <= COUNT && times.hasNext()) {
        found.add(times.nextMillis() / 1000);
      }
      return found;
    });
  }

  static void write(Path folder, String name, String version, String questions, String key,
      Question question) throws Exception {
    int begin = questions.indexOf("\"" + key + "\": [");
    String block = questions.substring(begin, questions.indexOf("]", begin));
    var object = Pattern.compile("\\{([^}]*)\\}").matcher(block);
    List<String> lines = new ArrayList<>();
    while (object.find()) {
      String[] values = object.group(1).trim().split(",\n");
      for (int i = 0; i < values.length; i++) {
        values[i] = values[i].substring(values[i].indexOf(": ") + 2).replace("\"", "");
      }
      String answer;
      try {
        answer = question.ask(values).toString().replace(" ", "");
      } catch (Exception refused) {
        answer = "null";
      }
      lines.add(answer);
    }
    Files.writeString(folder.resolve(name + ".json"),
        "{\"version\": \"" + version + "\", \"answers\": [\n" + String.join(",\n", lines) + "\n]}\n");
  }
}
