// Closes a session of Genesys Cloud through Closeout, and says what became of it.
//
//   dotnet run -- 2f7bf00a-0fc2-4d6a-9b56-92238191433e
//   dotnet run -- 2f7bf00a-0fc2-4d6a-9b56-92238191433e --force "the guest has called and cannot get out"
//
// A backend needs no agent and no agent's token: Closeout has the OAuth client. CLOSEOUT_SERVER and CLOSEOUT_TOKEN say where,
// and with which key: of the role submit, or operate for --force. .NET 8; no packages. Every path, header and field below
// is compared with the OpenAPI document of the service by a test.

using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Serialization;

if (args is not ([_] or [_, "--force", _]))
{
    Console.Error.WriteLine("usage: dotnet run -- CONVERSATION [--force REASON]");
    return 2;
}

var server = Environment.GetEnvironmentVariable("CLOSEOUT_SERVER") ?? "http://127.0.0.1:8080";
var key = Environment.GetEnvironmentVariable("CLOSEOUT_TOKEN");
if (key is null)
{
    Console.Error.WriteLine("CLOSEOUT_TOKEN is not set.");
    return 2;
}
using var http = new HttpClient { BaseAddress = new Uri(server), Timeout = TimeSpan.FromSeconds(60) };
http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
var closeout = new CloseoutClient(http);

try
{
    var request = new ClosureRequest { ConversationId = args[0], Reason = "closed by the backend" };
    var closure = await closeout.CloseAsync(request, wait: "20s", idempotencyKey: $"backend-{Guid.NewGuid()}");
    if (closure.State == "ghost" && args.Length == 3)
    {
        // The emergency teardown: everybody is disconnected, a wrap-up code of the system is set, and callbacks that are
        // scheduled on the conversation are lost. So it is asked for by a person, with a reason, and it is counted.
        await closeout.ForceAsync(closure.Id, args[2]);
        closure = await closeout.LookAsync(closure.Id, wait: "20s");
    }
    return Tell(closure);
}
catch (RefusedException refused)
{
    Console.Error.WriteLine($"{refused.Problem.Code}: {refused.Problem.Detail}\n{refused.Problem.Fix}");
    return refused.Problem.Retryable ? 10 : 2;
}
catch (Exception error) when (error is HttpRequestException or TaskCanceledException)
{
    Console.Error.WriteLine($"Closeout does not answer at {server}: {error.Message}");
    return 10;
}

static int Tell(Closure closure)
{
    var proof = closure.ConfirmedBy is { } seen ? $", proven by {seen.Kind} at {seen.ReceivedAt:O}" : "";
    Console.WriteLine($"{closure.ConversationId} {closure.State}{proof}");
    if (closure.Trouble is { } trouble)
    {
        Console.Error.WriteLine($"{trouble.Code}: {trouble.Detail}\n{trouble.Fix}");
    }
    return closure.State switch
    {
        "closed" or "already_closed" or "resolved" => 0,
        "ghost" => 7,
        "failed" or "cancelled" => 8,
        _ => 6,
    };
}

/// <summary>As much of the API as a backend needs.</summary>
public sealed class CloseoutClient(HttpClient http)
{
    private const int Attempts = 4;

    /// <summary>Requests a closure and waits for its end. The same key with the same request makes one closure.</summary>
    public Task<Closure> CloseAsync(ClosureRequest request, string wait, string idempotencyKey) =>
        Send<Closure>(HttpMethod.Post, $"/v1/closures?wait={wait}", request, ("Idempotency-Key", idempotencyKey));

    /// <summary>Looks at a closure, and waits for its end.</summary>
    public Task<Closure> LookAsync(string id, string wait) =>
        Send<Closure>(HttpMethod.Get, $"/v1/closures/{id}?wait={wait}");

    /// <summary>Tears the conversation down with everybody in it. The reason is kept.</summary>
    public Task<Closure> ForceAsync(string id, string reason) =>
        Send<Closure>(HttpMethod.Post, $"/v1/closures/{id}/force", new ActRequest { Reason = reason });

    /// <summary>Asks, and asks again what can succeed later: after the pause that the service asks for.</summary>
    private async Task<T> Send<T>(HttpMethod method, string path, object? body = null, params (string, string)[] headers)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var request = new HttpRequestMessage(method, path);
            if (body is not null) request.Content = JsonContent.Create(body, body.GetType());
            foreach (var (name, value) in headers) request.Headers.Add(name, value);
            using var answer = await http.SendAsync(request);
            if (answer.IsSuccessStatusCode) return (await answer.Content.ReadFromJsonAsync<T>())!;
            if (answer.Content.Headers.ContentType?.MediaType != "application/problem+json")
            {
                throw new HttpRequestException($"{(int)answer.StatusCode} from something that is not Closeout");
            }
            var problem = (await answer.Content.ReadFromJsonAsync<Problem>())!;
            if (!problem.Retryable || attempt == Attempts) throw new RefusedException(problem);
            // Never all at the same moment: whoever was refused together would come together again.
            var asked = answer.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(Math.Pow(2, attempt) / 4);
            await Task.Delay(asked * (1 + Random.Shared.NextDouble()));
        }
    }
}

/// <summary>Closeout refused the request, and says what to do.</summary>
public sealed class RefusedException(Problem problem) : Exception(problem.Detail)
{
    public Problem Problem { get; } = problem;
}

public sealed record ClosureRequest
{
    [JsonPropertyName("conversationId")] public required string ConversationId { get; init; }
    [JsonPropertyName("participantId")] public string? ParticipantId { get; init; }
    [JsonPropertyName("reason")] public string? Reason { get; init; }
    [JsonPropertyName("labels")] public Dictionary<string, string>? Labels { get; init; }
    [JsonPropertyName("policy")] public PolicyRequest? Policy { get; init; }
}

public sealed record PolicyRequest
{
    [JsonPropertyName("agentConnected")] public string? AgentConnected { get; init; }
    [JsonPropertyName("evidence")] public string? Evidence { get; init; }
    [JsonPropertyName("wrapperClose")] public string? WrapperClose { get; init; }
    [JsonPropertyName("deadline")] public string? Deadline { get; init; }
}

public sealed record ActRequest
{
    [JsonPropertyName("reason")] public string? Reason { get; init; }
}

public sealed record Closure
{
    [JsonPropertyName("id")] public required string Id { get; init; }
    [JsonPropertyName("conversationId")] public string? ConversationId { get; init; }
    [JsonPropertyName("participantId")] public string? ParticipantId { get; init; }
    [JsonPropertyName("state")] public required string State { get; init; }
    [JsonPropertyName("reason")] public string? Reason { get; init; }
    [JsonPropertyName("attached")] public required bool Attached { get; init; }
    [JsonPropertyName("apiCalls")] public required int ApiCalls { get; init; }
    [JsonPropertyName("confirmedBy")] public ConfirmedBy? ConfirmedBy { get; init; }
    [JsonPropertyName("problem")] public Trouble? Trouble { get; init; }
}

public sealed record ConfirmedBy
{
    [JsonPropertyName("kind")] public required string Kind { get; init; }
    [JsonPropertyName("adapter")] public string? Adapter { get; init; }
    [JsonPropertyName("eventId")] public string? EventId { get; init; }
    [JsonPropertyName("receivedAt")] public required DateTimeOffset ReceivedAt { get; init; }
}

public sealed record Trouble
{
    [JsonPropertyName("code")] public required string Code { get; init; }
    [JsonPropertyName("detail")] public required string Detail { get; init; }
    [JsonPropertyName("fix")] public string? Fix { get; init; }
}

public sealed record Problem
{
    [JsonPropertyName("code")] public required string Code { get; init; }
    [JsonPropertyName("status")] public required int Status { get; init; }
    [JsonPropertyName("detail")] public required string Detail { get; init; }
    [JsonPropertyName("fix")] public required string Fix { get; init; }
    [JsonPropertyName("retryable")] public required bool Retryable { get; init; }
}
