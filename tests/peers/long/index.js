// An unmodified function, as AWS Lambda takes it: it sums numbers, fails when it is told to, and knows its context.
let calls = 0;

exports.handler = async (event, context) => {
  if (event.fail) throw new Error("as asked");
  calls += 1;
  return {
    sum: event.numbers.reduce((sum, number) => sum + number, 0),
    request: context.awsRequestId,
    function: context.functionName,
    calls,
  };
};
