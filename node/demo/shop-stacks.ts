import type { Prng } from '../../base/prng.ts'

/** Stack traces as the shop's services would print them; line numbers differ from build to build. */
export function providerTimeoutStack(random: Prng): string {
  return [
    'com.shop.payment.ProviderTimeoutException: paywise did not answer within 5000ms',
    `\tat com.shop.payment.PaywiseClient.authorize(PaywiseClient.java:${random.between(140, 150)})`,
    `\tat com.shop.payment.PaymentService.authorizeWithRetry(PaymentService.java:${random.between(80, 90)})`,
    '\tat com.shop.payment.PaymentController.post(PaymentController.java:47)',
    '\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)',
    '\tat java.base/java.lang.Thread.run(Thread.java:1583)',
    'Caused by: java.net.SocketTimeoutException: Read timed out',
    '\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)',
    `\t... ${random.between(28, 44)} more`,
  ].join('\n')
}

export function databaseTimeoutStack(random: Prng): string {
  return [
    'Traceback (most recent call last):',
    `  File "/app/inventory/stock.py", line ${random.between(61, 70)}, in reserve`,
    '    row = await connection.fetchrow(statement, sku, count)',
    '  File "/usr/lib/python3/dist-packages/asyncpg/connection.py", line 748, in fetchrow',
    '    data = await self._execute(',
    'asyncpg.exceptions.QueryCanceledError: canceling statement due to statement timeout',
  ].join('\n')
}

export function nullPointerStack(random: Prng): string {
  return [
    'java.lang.NullPointerException: Cannot read field "street" because "order.shippingAddress" is null',
    `\tat com.shop.checkout.AddressFormatter.format(AddressFormatter.java:${random.between(30, 36)})`,
    '\tat com.shop.checkout.OrderService.place(OrderService.java:112)',
    '\tat com.shop.checkout.OrderController.post(OrderController.java:58)',
    '\tat java.base/java.lang.Thread.run(Thread.java:1583)',
  ].join('\n')
}
